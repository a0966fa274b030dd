/** A line on stderr for work that takes longer than one would wait without a word. */
import type { Terminal } from './terminal.ts';

const PATIENCE_MS = 300;

/** Does `work`; says `text` once it has taken 300 ms. */
export async function withProgress<T>(terminal: Terminal, text: string, work: () => Promise<T>): Promise<T> {
  const timer = setTimeout(() => terminal.err(`${terminal.errPalette.dim(text)}\n`), PATIENCE_MS);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}
