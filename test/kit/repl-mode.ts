/** V8's own REPL mode, which Chrome DevTools uses, to compare cells with. */
import { Session } from 'node:inspector';

interface Evaluated {
  result: { type: string; value?: unknown; description?: string };
  exceptionDetails?: { exception?: { description?: string; value?: unknown } };
}

export interface ReplMode {
  /** What a cell gives: the text of a primitive, `[type]` of others, or the head of its error. */
  run(code: string): Promise<string>;
  close(): void;
}

/** A REPL in this process's own context: give its names to nothing else. */
export async function replMode(): Promise<ReplMode> {
  const session = new Session();
  session.connect();
  const post = (method: string, given: object): Promise<unknown> =>
    new Promise((resolve, reject) => {
      session.post(method, given, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  return {
    async run(code) {
      const given = { expression: code, replMode: true, awaitPromise: true };
      const { result, exceptionDetails } = (await post('Runtime.evaluate', given)) as Evaluated;
      if (exceptionDetails !== undefined) {
        const { description, value } = exceptionDetails.exception ?? {};
        return `throws ${(description ?? String(value)).split('\n')[0]}`;
      }
      if (result.type === 'function' || result.type === 'object') return `[${result.type}]`;
      return String(result.value);
    },
    close: () => session.disconnect(),
  };
}
