/** A line on stderr that says how far something is; on a terminal alone, where it is written over itself. */
import { clip } from './render/fit.ts';
import type { Terminal } from './terminal.ts';

export class StatusLine {
  readonly #terminal: Terminal;
  #isShown = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Text may come from outside. */
  show(text: string): void {
    const { stderr, errPalette } = this.#terminal;
    if (stderr.isTTY !== true) return;
    this.#terminal.err(`\r\u001b[K${errPalette.dim(clip(text, (stderr.columns || 80) - 1))}`);
    this.#isShown = true;
  }

  /** Makes room for other lines. */
  clear(): void {
    if (this.#isShown) this.#terminal.err('\r\u001b[K');
    this.#isShown = false;
  }
}
