/**
 * How a repl shows what happens in its session. Output of its own cell goes where the cursor is; what comes while
 * somebody types (timers, cells of others) goes above the prompt, in whole lines. Lines from a pipe are a script, which
 * is shown its own cells and what comes in the background, not what others do.
 */
import type { REPLServer } from 'node:repl';
import type { Shown, Stream } from '../bus/client/shown.ts';
import { printAbove } from './prompt-line.ts';
import { renderEnd, renderInput, renderUnrecorded } from './render/answer.ts';
import type { Terminal } from './terminal.ts';

export interface ScreenOptions {
  terminal: Terminal;
  server: REPLServer;
  interactive: boolean;
  /** Whether a prompt is up. */
  isPrompting(): boolean;
  /** Told the number of each cell that begins, before anything of it is shown. */
  onCell(cell: number): void;
}

export class Screen {
  readonly #options: ScreenOptions;
  /** The command whose answer is awaited here, and whether something of its cell has come. */
  #own: { commandId: string; isSeen: boolean } | undefined;
  /** The beginning of a line that is not whole yet. */
  #begun = '';

  constructor(options: ScreenOptions) {
    this.#options = options;
  }

  /** From now on the cell of this command is the repl's own; undefined: none is. */
  expect(commandId: string | undefined): void {
    this.#own = commandId === undefined ? undefined : { commandId, isSeen: false };
  }

  /** True when the log has told of the own cell: its output is, or will be, shown from there. */
  get isOwnSeen(): boolean {
    return this.#own?.isSeen ?? false;
  }

  show(shown: Shown): void {
    const { terminal, interactive, onCell } = this.#options;
    const { palette } = terminal;
    const isOwn = this.#own !== undefined && shown.input?.commandId === this.#own.commandId;
    if (isOwn) this.#own!.isSeen = true;
    const isOurs = isOwn || (shown.kind === 'printed' && shown.cell === undefined);
    if (shown.kind === 'input' && shown.input?.cell !== undefined) onCell(shown.input.cell);
    if (!isOurs && !interactive) return;
    if (shown.kind === 'printed') this.print(shown.stream, shown.text);
    else if (shown.kind === 'unrecorded') {
      this.print('stderr', renderUnrecorded(shown.lines, interactive ? palette : terminal.errPalette));
    } else if (!isOwn && shown.kind === 'ended') this.print('stdout', renderEnd(shown.event, palette));
    else if (!isOwn && shown.input) this.print('stdout', renderInput(shown.input, palette));
  }

  /** Prints where it belongs; on a terminal both streams are one, so that they keep their order. */
  print(stream: Stream, text: string): void {
    const { terminal, server, interactive, isPrompting } = this.#options;
    if (text === '') return;
    if (!interactive) {
      if (stream === 'stdout') terminal.out(text);
      else terminal.err(text);
    } else if (isPrompting()) {
      const end = text.lastIndexOf('\n') + 1;
      const lines = end === 0 ? '' : this.#take() + text.slice(0, end);
      this.#begun += text.slice(end);
      if (lines !== '') printAbove(server, terminal.stdout, lines);
    } else {
      terminal.out(this.#take() + text);
    }
  }

  #take(): string {
    const begun = this.#begun;
    this.#begun = '';
    return begun;
  }
}
