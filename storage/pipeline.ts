/** Many requests to a store at once, but not all at once. */

/** Maps `items` with up to `width` calls in flight; results in order. The first failure wins. */
export async function pipelined<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  if (items.length <= width) return Promise.all(items.map(work));
  const results = new Array<R>(items.length);
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const index = next;
      next += 1;
      results[index] = await work(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
  return results;
}
