/** Waits for a condition instead of a length of time. */

/**
 * Resolves when `condition` holds, looking every few milliseconds.
 * @throws Error naming the condition when it does not hold within `limitMs`.
 */
export async function until(condition: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${limitMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
