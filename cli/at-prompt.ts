/** A prompt at a moment of a session's past: code runs there on a copy, dot commands move through time. */
import { createInterface } from 'node:readline/promises';
import { RepriseError } from '../bus/errors.ts';
import type { AtReply } from '../bus/operations/looks.ts';
import type { SessionEvent } from '../bus/types.ts';
import { renderEvent } from './render/event.ts';
import { renderFailure } from './render/failure.ts';
import { renderAt, renderChanges, renderEvaluated } from './render/moment.ts';
import { firstLine, printable } from './render/text.ts';
import { type Terminal, tellAnswer } from './terminal.ts';

export interface AtPromptPorts {
  terminal: Terminal;
  session: string;
  /** The session after an event, and what `code` gives there. */
  look(seq: number, code?: string): Promise<AtReply>;
  event(seq: number): Promise<SessionEvent>;
  /** Begins a session that goes on from an event. */
  fork(seq: number, name: string): Promise<void>;
}

const HELP = `code             runs at this moment, on a copy that is thrown away
.back [n]        n events back (1)
.forward [n]     n events on (1)
.goto <seq>      right after that event
.event           the event of this moment
.show            variables, and what the session waits for
.fork <name>     a new session that goes on from this event
.diff            what changed since the moment before the last move
.exit            leaves, as Ctrl-D does
`;

export class AtPrompt {
  readonly #ports: AtPromptPorts;
  #here!: AtReply;
  #before: AtReply | null = null;

  constructor(ports: AtPromptPorts) {
    this.#ports = ports;
  }

  /** Until `.exit`, Ctrl-D, or Ctrl-C on an empty line. */
  async run(start: AtReply): Promise<void> {
    this.#here = start;
    const { terminal } = this.#ports;
    const lines = createInterface({ input: terminal.stdin, output: terminal.stdout, terminal: true });
    terminal.out(terminal.palette.dim('.help for help, Ctrl-D to leave\n'));
    try {
      for (;;) {
        const line = await new Promise<string | null>((resolve) => {
          lines.once('close', () => resolve(null));
          lines.once('SIGINT', () => lines.close());
          lines.question(this.#prompt).then(resolve, () => resolve(null));
        });
        if (line === null || line.trim() === '.exit') return;
        try {
          await this.#take(line.trim());
        } catch (thrown) {
          terminal.err(renderFailure(RepriseError.from(thrown), terminal.errPalette));
        }
      }
    } finally {
      lines.close();
    }
  }

  get #prompt(): string {
    return `${firstLine(this.#ports.session, 30).line}@${this.#here.seq}> `;
  }

  async #take(line: string): Promise<void> {
    const { terminal, event, fork } = this.#ports;
    const { palette } = terminal;
    const { seq } = this.#here;
    const [word = '', argument] = line.split(/\s+/);
    if (line === '') return;
    if (!word.startsWith('.')) return this.#evaluate(line);
    switch (word) {
      case '.help':
        return terminal.out(HELP);
      case '.back':
        return this.#move(seq - numberIn(argument, 1));
      case '.forward':
        return this.#move(seq + numberIn(argument, 1));
      case '.goto':
        return this.#move(numberIn(argument));
      case '.event':
        return terminal.out(renderEvent(await event(seq), palette, terminal.columns));
      case '.fork': {
        const name = line.slice(word.length).trim();
        if (name === '') throw new RepriseError('BAD_REQUEST', 'expected the name of the new session');
        await fork(seq, name);
        return terminal.out(`${printable(name)} goes on from here\n`);
      }
      case '.show':
        return terminal.out(renderAt(this.#here, palette));
      case '.diff':
        return terminal.out(
          renderChanges(this.#before?.state.variables ?? [], this.#here.state.variables, palette) ||
            palette.dim('no variable changed\n'),
        );
      default:
        throw new RepriseError('BAD_REQUEST', `there is no command ${word}`, { hint: '.help lists them' });
    }
  }

  async #move(seq: number): Promise<void> {
    const { terminal, look, event } = this.#ports;
    if (seq < 0) throw new RepriseError('BAD_REQUEST', 'that is before the first event');
    const there = await look(seq);
    this.#before = this.#here;
    this.#here = there;
    terminal.out(renderEvent(await event(seq), terminal.palette, terminal.columns));
    terminal.out(renderChanges(this.#before.state.variables, there.state.variables, terminal.palette));
  }

  async #evaluate(code: string): Promise<void> {
    const { terminal, look } = this.#ports;
    const { evaluated } = await look(this.#here.seq, code);
    if (evaluated) tellAnswer(terminal, renderEvaluated(evaluated, terminal.errPalette));
  }
}

/** @throws RepriseError BAD_REQUEST */
function numberIn(text: string | undefined, otherwise?: number): number {
  if (text === undefined && otherwise !== undefined) return otherwise;
  if (text !== undefined && /^\d+$/.test(text)) return Number(text);
  throw new RepriseError('BAD_REQUEST', `expected the number of an event instead of ${text ?? 'nothing'}`);
}
