/** Work on many things, some at a time. */

/** Does `work` for each item, `most` at a time, until all are done or the signal aborts. @throws what `work` throws first */
export async function inParallel<T>(
  items: Iterable<T>,
  most: number,
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  const lane = async () => {
    while (!signal.aborted) {
      const next = rest.next();
      if (next.done) return;
      await work(next.value);
    }
  };
  await Promise.all(Array.from({ length: most }, lane));
}
