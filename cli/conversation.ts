/** One run of the repl: node:repl in front, a session behind, a queue of lines between them. */

import { type REPLServer, Recoverable, start } from 'node:repl';
import { isIncomplete } from '../actors/kernel/compiler/input.ts';
import type { SessionClient } from '../bus/client/client.ts';
import { newCommandId } from '../bus/client/command-id.ts';
import type { Following } from '../bus/client/following.ts';
import { hasCode, RepriseError } from '../bus/errors.ts';
import type { ExecuteReply } from '../bus/operations/sessions.ts';
import { whileAttended } from './connection.ts';
import { type Context, EXIT } from './context.ts';
import { renderAnswer, renderUnread } from './render/answer.ts';
import { renderEvent } from './render/event.ts';
import { renderFailure } from './render/failure.ts';
import { renderInterrupted, renderSession } from './render/session.ts';
import { firstLine } from './render/text.ts';
import { Screen } from './screen.ts';

const LOG_LINES = 20;
const PROMPT_WIDTH = 30;
/** TAB gives up after this long, ms. */
const COMPLETION_MS = 1_000;
/** A struck cell that has not ended by then is not waited for, ms. */
const STRIKE_MS = 2_000;
/** How long the rest of a cell's output may take to be read once the answer is there, ms. */
const REST_MS = 10_000;

export interface ConversationOptions {
  context: Context;
  sessions: SessionClient;
  session: string;
  /** Cells that the session has. */
  cells: number;
  /** seq of the first event that is to be shown. */
  next: number;
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
  readonly #screen: Screen;
  readonly #following: Following;
  /** Gives the prompt back although what runs has not ended. */
  #release: () => void = () => {};
  #isStruck = false;
  #completing = new AbortController();
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
    this.#screen = new Screen({
      terminal,
      server: this.server,
      interactive: this.#interactive,
      isPrompting: () => !this.#running && !this.#left,
      onCell: (cell) => this.#count(cell),
    });
    this.#following = this.#sessions.follow(this.#session, options.next, (shown) => this.#screen.show(shown));
    void this.ended.then(() => this.#following.stop());
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

  /** The session has had `cells` cells, whoever gave them to it. */
  #count(cells: number): void {
    this.#cells = Math.max(this.#cells, cells);
    this.server.setPrompt(this.#prompt());
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

  /** Ctrl-C stops what runs, gives up what TAB asks for; otherwise it does what node:repl does. */
  #routeInterrupts(): void {
    const native = this.server.listeners('SIGINT') as (() => void)[];
    this.server.removeAllListeners('SIGINT');
    this.server.on('SIGINT', () => {
      this.#completing.abort();
      if (this.#running) return this.#stopRunning();
      this.#pending = '';
      for (const handler of native) handler.call(this.server);
    });
    if (this.#interactive) return;
    const { terminal } = this.context;
    const stop = terminal.onSignal(['SIGINT'], () => {
      if (!this.#running || this.#isStruck) terminal.exit(EXIT.interrupted);
      this.#stopRunning();
    });
    this.ended.then(stop);
  }

  /** Strikes the running cell, once; what does not end by that is not waited for. */
  #stopRunning(): void {
    this.#waiting = [];
    if (this.#commandId === undefined || this.#isStruck) {
      this.#release();
      return;
    }
    this.#isStruck = true;
    this.#sessions
      .interrupt(this.#session, this.#commandId)
      .catch((thrown) => this.#printFailure(RepriseError.from(thrown)));
    if (this.#interactive) setTimeout(this.#release, STRIKE_MS).unref();
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
        (signal) => this.#runCell(text, signal),
        () => done(null),
      );
    }
  }

  /** Does `work` as the one thing that runs, prints how it failed, then lets the next line have its turn. */
  #occupy(work: (signal: AbortSignal) => Promise<void>, done: () => void): void {
    this.#running = true;
    const leave = new AbortController();
    const released = new Promise<void>((resolve) => {
      this.#release = () => {
        leave.abort();
        resolve();
      };
    });
    const worked = work(leave.signal).catch((thrown) => {
      if (!leave.signal.aborted) this.#printFailure(RepriseError.from(thrown));
    });
    Promise.race([worked, released]).finally(() => {
      this.#release = () => {};
      if (leave.signal.aborted && this.#commandId !== undefined) {
        this.#screen.print('stderr', 'the cell has not ended yet: it goes on, and is shown here\n');
      }
      this.#running = false;
      this.#isStruck = false;
      this.#commandId = undefined;
      this.#screen.expect(undefined);
      this.server.setPrompt(this.#prompt());
      // node:repl must forget the text even when nobody sees a prompt any more.
      if (!(this.#left && this.#interactive)) done();
      this.#pump();
    });
  }

  async #runCell(text: string, left: AbortSignal): Promise<void> {
    const commandId = newCommandId();
    this.#commandId = commandId;
    this.#screen.expect(commandId);
    const waitMs = Number.POSITIVE_INFINITY;
    const reply = await whileAttended(this.#sessions, this.context.system, (signal) =>
      this.#sessions.execute(this.#session, text, {
        commandId,
        waitMs,
        signal: AbortSignal.any([signal, left]),
      }),
    );
    await this.#printAnswer(reply, left);
    if (reply.shouldExit && !left.aborted) this.#close();
  }

  async #printAnswer(reply: ExecuteReply, left: AbortSignal): Promise<void> {
    const { terminal } = this.context;
    const palette = this.#interactive ? terminal.palette : terminal.errPalette;
    const { stdout, stderr, result, failure } = renderAnswer(reply, palette);
    const screen = this.#screen;
    const [first, last] = reply.seq;
    const { next } = this.#following;
    // Shown up to its beginning and no further, or a session of another life: then the reply has all there is to see.
    const isWhole = !screen.isOwnSeen && (next === first || (next === 0 && first === 1) || last < next);
    if (isWhole && (stdout === '' || stderr === '')) {
      this.#following.skipTo(last + 1);
      this.#count(this.#cells + 1);
      screen.print('stdout', stdout);
      screen.print('stderr', stderr);
    } else if (!(await this.#following.through(last, REST_MS))) {
      if (!left.aborted) screen.print('stderr', renderUnread(this.#session, reply.seq, palette));
    }
    if (left.aborted) return;
    screen.print('stdout', result);
    screen.print('stderr', failure);
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
    // The line editor waits for the completion with closed ears: it shall hear Ctrl-C, and what is typed.
    const { server } = this;
    server.resume();
    this.#completing.abort();
    const abort = new AbortController();
    this.#completing = abort;
    const code = this.#pending + line;
    const typed = [server.line, server.cursor].join('\n');
    try {
      const options = { waitMs: COMPLETION_MS, signal: abort.signal };
      const { completions, from } = await this.#sessions.complete(this.#session, code, code.length, options);
      const isStill = typed === [server.line, server.cursor].join('\n');
      return isStill && !abort.signal.aborted ? [completions, code.slice(from)] : [[], line];
    } catch {
      return [[], line]; // no help is better than a message in the middle of a line
    }
  }

  #addCommands(): void {
    const { server } = this;
    delete (server.commands as Record<string, unknown>).clear; // the state is the session's, not ours to clear
    const command = (name: string, help: string, work: (signal: AbortSignal) => Promise<void>) =>
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
    command('interrupt', "Stop what computes: another cell, or a timer's callback", (signal) =>
      this.#interrupt(signal),
    );
    command('show', 'Show the session: its variables, pending effects and heap', (signal) =>
      this.#show(signal),
    );
    command('log', `Show the last ${LOG_LINES} events of the session`, (signal) => this.#log(signal));
  }

  async #interrupt(signal: AbortSignal): Promise<void> {
    const reply = await this.#sessions.interrupt(this.#session);
    if (!signal.aborted) this.context.terminal.out(renderInterrupted(this.#session, reply));
  }

  async #show(signal: AbortSignal): Promise<void> {
    const { terminal } = this.context;
    const report = await this.#sessions.inspect(this.#session, { signal });
    terminal.out(renderSession(report, terminal.palette));
  }

  async #log(signal: AbortSignal): Promise<void> {
    const { terminal } = this.context;
    const metadata = await this.#sessions.getSession(this.#session);
    if (signal.aborted) return;
    if (metadata === null) return terminal.out('nothing yet\n');
    const from = Math.max(0, metadata.eventCount - LOG_LINES);
    for await (const event of this.#sessions.events(this.#session, from, undefined, { signal })) {
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
