/** At most so many things at once; the rest wait in order of arrival. */
export interface Slots {
  /**
   * Runs `task` as soon as a slot is free.
   * Rejects with the signal's reason, without running it, when aborted while waiting.
   */
  run<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T>;
  readonly busy: number;
  readonly waiting: number;
}

/** @param limit how many tasks run at once, at least 1 */
export function makeSlots(limit: number): Slots {
  // A Set keeps insertion order and lets one that gives up leave from the middle.
  const queue = new Set<() => void>();
  let busy = 0;

  const take = (signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    if (busy < limit) {
      busy++;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const aborted = () => {
        queue.delete(enter);
        reject(signal.reason);
      };
      const enter = () => {
        signal.removeEventListener('abort', aborted);
        resolve();
      };
      queue.add(enter);
      signal.addEventListener('abort', aborted, { once: true });
    });
  };
  // A freed slot passes straight to the next in line, so nobody can slip in between.
  const give = () => {
    const [next] = queue;
    if (next === undefined) {
      busy--;
      return;
    }
    queue.delete(next);
    next();
  };

  return {
    async run(task, signal) {
      await take(signal);
      try {
        return await task();
      } finally {
        give();
      }
    },
    get busy() {
      return busy;
    },
    get waiting() {
      return queue.size;
    },
  };
}
