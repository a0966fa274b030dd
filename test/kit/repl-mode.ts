/** V8's own REPL mode, which Chrome DevTools uses, to compare cells with. */
import { Session } from 'node:inspector';

interface Evaluated {
  result: { type: string; value?: unknown; description?: string };
  exceptionDetails?: { exception?: { description?: string; value?: unknown } };
}

export interface ReplMode {
  /** What a cell gives: the text of a primitive, `[type]` of others, or the head of its error. */
  run(code: string): Promise<string>;
  /** `line:column` of the frames inside the code of the error that a cell throws; undefined when none is thrown. */
  frames(code: string): Promise<string[] | undefined>;
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
  const evaluate = async (expression: string): Promise<Evaluated> =>
    (await post('Runtime.evaluate', { expression, replMode: true, awaitPromise: true })) as Evaluated;
  return {
    async run(code) {
      const { result, exceptionDetails } = await evaluate(code);
      if (exceptionDetails !== undefined) {
        const { description, value } = exceptionDetails.exception ?? {};
        return `throws ${(description ?? String(value)).split('\n')[0]}`;
      }
      if (result.type === 'function' || result.type === 'object') return `[${result.type}]`;
      return String(result.value);
    },
    async frames(code) {
      const { exceptionDetails } = await evaluate(code);
      return exceptionDetails?.exception?.description
        ?.split('\n')
        .flatMap((line) => /^ {4}at (?:.* \()?<anonymous>:(\d+:\d+)\)?$/.exec(line)?.[1] ?? []);
    },
    close: () => session.disconnect(),
  };
}
