/** One run of the repl: node:repl in front, a session behind, a queue of lines between them. */
import { randomUUID } from 'node:crypto';
import { type REPLServer, Recoverable, start } from 'node:repl';
import { isIncomplete } from '../actors/kernel/compiler/input.ts';
import { hasCode, RepriseError } from '../bus/errors.ts';
import type { SessionClient } from './client.ts';
import { whileAttended } from './connection.ts';
import type { Context } from './context.ts';
import { renderAnswer } from './render/answer.ts';
import { renderEvent } from './render/event.ts';
import { renderFailure } from './render/failure.ts';
import { renderSession } from './render/session.ts';
import { firstLine } from './render/text.ts';

const LOG_LINES = 20;
const PROMPT_WIDTH = 30;

export interface ConversationOptions {
  context: Context;
  sessions: SessionClient;
  session: string;
  /** Cells that the session has. */
  cells: number;
  /** A person sits at a terminal; else lines come from a pipe, and no prompt is printed. */
  interactive: boolean;
}

type LineHandler = (line: string) => void;
type Completion = [completions: string[], replaced: string];

export class Conversation {
  readonly server: REPLServer;
  readonly context: Context;
  /** Resolves once the repl was left, and (from a pipe) every line had its turn. */
  readonly ended: Promise<void>;
  readonly #sessions: SessionClient;
  readonly #session: string;
  readonly #interactive: boolean;
  #cells: number;
  /** Lines of a cell that is not complete yet. */
  #pending = '';
  #waiting: string[] = [];
  #running = false;
  #commandId: string | undefined;
  #left = false;
  /** No line will come that could complete the pending cell. */
  #inputEnded = false;
  #lineHandlers: LineHandler[] = [];
  #end = () => {};

  constructor(options: ConversationOptions) {
    this.context = options.context;
    this.#sessions = options.sessions;
    this.#session = options.session;
    this.#cells = options.cells;
    this.#interactive = options.interactive;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    const { terminal } = this.context;
    this.server = start({
      prompt: this.#prompt(),
      input: terminal.stdin,
      output: terminal.stdout,
      terminal: this.#interactive,
      useColors: false,
      useGlobal: true,
      ignoreUndefined: true,
      eval: (text, _context, _file, done) => this.#evaluate(text, done),
      completer: (line: string, done: (error: Error | null, completion: Completion) => void) => {
        this.#complete(line).then((completion) => done(null, completion));
      },
    });
    if (!this.#interactive) this.server.displayPrompt = () => {};
    this.#queueLines();
    this.#routeInterrupts();
    this.#addCommands();
    this.server.once('exit', () => this.#leave());
  }

  #prompt(): string {
    if (!this.#interactive) return '';
    const { palette } = this.context.terminal;
    const name = firstLine(this.#session, PROMPT_WIDTH).line;
    return `${palette.cyan(name)} ${palette.dim(`[${this.#cells + 1}]`)}> `;
  }

  /** Puts a queue before node:repl's own line handler: a line is handed over when the cell before is done. */
  #queueLines(): void {
    this.#lineHandlers = this.server.listeners('line') as LineHandler[];
    this.server.removeAllListeners('line');
    this.server.on('line', (line) => {
      this.#waiting.push(line);
      this.#pump();
    });
  }

  #pump(): void {
    while (!this.#running && this.#waiting.length > 0) {
      const line = this.#waiting.shift()!;
      for (const handler of this.#lineHandlers) handler.call(this.server, line);
    }
    if (this.#running || !this.#left) return;
    if (this.#pending === '') {
      this.#end();
    } else {
      // A last cell that never became complete runs as it is, so that its error is seen.
      this.#inputEnded = true;
      this.#waiting.push('');
      this.#pump();
    }
  }

  /** Ctrl-C strikes the running cell; otherwise it does what node:repl does. */
  #routeInterrupts(): void {
    const native = this.server.listeners('SIGINT') as (() => void)[];
    this.server.removeAllListeners('SIGINT');
    const strike = () => {
      this.#waiting = [];
      this.#sessions
        .interrupt(this.#session, this.#commandId)
        .catch((thrown) => this.#printFailure(RepriseError.from(thrown)));
    };
    this.server.on('SIGINT', () => {
      if (this.#running) return strike();
      this.#pending = '';
      for (const handler of native) handler.call(this.server);
    });
    if (this.#interactive) return;
    const { terminal } = this.context;
    const stop = terminal.onSignal(['SIGINT'], () => (this.#running ? strike() : terminal.exit(130)));
    this.ended.then(stop);
  }

  /** One text from node:repl: blank, not complete yet, or a cell. Must answer "not complete" synchronously. */
  #evaluate(text: string, answer: (error: Error | null, result: unknown) => void): void {
    // One argument: node:repl prints no result of its own.
    const done = answer as (error: Error | null) => void;
    if (text.trim() === '') {
      done(null);
    } else if (!this.#inputEnded && isIncomplete(text)) {
      this.#pending = text;
      done(new Recoverable(new SyntaxError('the cell is not complete')));
    } else {
      this.#pending = '';
      this.#occupy(
        () => this.#runCell(text),
        () => done(null),
      );
    }
  }

  /** Does `work` as the one thing that runs, prints how it failed, then lets the next line have its turn. */
  #occupy(work: () => Promise<void>, done: () => void): void {
    this.#running = true;
    work()
      .catch((thrown) => this.#printFailure(RepriseError.from(thrown)))
      .finally(() => {
        this.#running = false;
        this.#commandId = undefined;
        this.server.setPrompt(this.#prompt());
        // node:repl must forget the text even when nobody sees a prompt any more.
        if (!(this.#left && this.#interactive)) done();
        this.#pump();
      });
  }

  async #runCell(text: string): Promise<void> {
    this.#commandId = randomUUID();
    const options = { commandId: this.#commandId, waitMs: Number.POSITIVE_INFINITY };
    const reply = await whileAttended(this.#sessions, this.context.system, (signal) =>
      this.#sessions.execute(this.#session, text, { ...options, signal }),
    );
    this.#cells += 1;
    const { terminal } = this.context;
    const answer = renderAnswer(reply, this.#interactive ? terminal.palette : terminal.errPalette);
    // A terminal shows both streams anyway; one stream keeps their order.
    const err = this.#interactive ? terminal.out : terminal.err;
    terminal.out(answer.stdout);
    err(answer.stderr);
    terminal.out(answer.result);
    err(answer.failure);
    if (reply.shouldExit) this.#close();
  }

  #printFailure(error: RepriseError): void {
    const { terminal } = this.context;
    terminal.err(renderFailure(error, terminal.errPalette));
    if (!this.#interactive) this.context.exitCode = error.exitCode;
    if (hasCode(error, 'CLOSED')) this.#close();
  }

  /** Completions of the word before the cursor, seen with the lines before it. */
  async #complete(line: string): Promise<Completion> {
    if (this.#pending === '' && /^\s*\.[a-z]*$/.test(line)) {
      const commands = Object.keys(this.server.commands).map((name) => `.${name}`);
      return [commands.filter((name) => name.startsWith(line.trim())), line.trim()];
    }
    const code = this.#pending + line;
    try {
      const { completions, from } = await this.#sessions.complete(this.#session, code, code.length);
      return [completions, code.slice(from)];
    } catch {
      return [[], line]; // no help is better than a message in the middle of a line
    }
  }

  #addCommands(): void {
    const { server } = this;
    delete (server.commands as Record<string, unknown>).clear; // the state is the session's, not ours to clear
    const command = (name: string, help: string, work: () => Promise<void>) =>
      server.defineCommand(name, {
        help,
        action: () => {
          server.clearBufferedCommand();
          this.#pending = '';
          this.#occupy(work, () => server.displayPrompt());
        },
      });
    server.defineCommand('exit', {
      help: 'Leave the repl (as Ctrl-D); the session stays',
      action: () => this.#close(),
    });
    command('break', 'Give up the cell that is being typed', async () => {});
    command('show', 'Show the session: its variables, pending effects and heap', () => this.#show());
    command('log', `Show the last ${LOG_LINES} events of the session`, () => this.#log());
  }

  async #show(): Promise<void> {
    const { terminal } = this.context;
    terminal.out(renderSession(await this.#sessions.inspect(this.#session), terminal.palette));
  }

  async #log(): Promise<void> {
    const { terminal } = this.context;
    const metadata = await this.#sessions.getSession(this.#session);
    if (metadata === null) return terminal.out('nothing yet\n');
    const from = Math.max(0, metadata.eventCount - LOG_LINES);
    for await (const event of this.#sessions.events(this.#session, from)) {
      terminal.out(renderEvent(event, terminal.palette, terminal.columns));
    }
  }

  /** Ends the conversation from inside: what waits is not run any more. */
  #close(): void {
    this.#waiting = [];
    this.#pending = '';
    this.server.close();
  }

  /** Standard input has ended, or the person left. */
  #leave(): void {
    this.#left = true;
    if (this.#interactive) {
      if (this.#running) this.context.terminal.err('the cell goes on without us: `reprise log` tells how\n');
      this.#end();
    } else {
      this.#pump();
    }
  }
}
