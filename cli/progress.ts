/** What is said on stderr of work that takes longer than one would wait without a word. */
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

/** Does `work`; on a terminal one line, `text()` of the moment, tells how far it is. */
export async function withCounter<T>(
  { stderr, err, errPalette }: Terminal,
  text: () => string,
  work: () => Promise<T>,
): Promise<T> {
  if (!stderr.isTTY) return work();
  let isShown = false;
  const timer = setInterval(() => {
    isShown = true;
    err(`\r${errPalette.dim(text())}\x1b[K`);
  }, PATIENCE_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    if (isShown) err('\r\x1b[K');
  }
}
