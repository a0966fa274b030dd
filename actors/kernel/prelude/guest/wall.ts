/** The only way out of the sandbox: one host function, taken and hidden before user code runs. */
import { setPrototypeOf, stringify } from './intrinsics.ts';
import { jsonText } from './json.ts';

type Emit = (kind: string, payload: string) => void;
/**
 * What the engine knows of a promise. `which` 0 asks for the state (0 pending, 1 fulfilled, 2 rejected, else: none),
 * 1 for the value, 2 whether nobody waits for it (0 no, 1 it is pending, 2 rejected), 3 for the last promise made.
 */
type PromiseProbe = (promise: unknown, which: 0 | 1 | 2 | 3) => unknown;

const holder = globalThis as unknown as { __reprise_emit: Emit; __reprise_promise?: PromiseProbe };
const hostEmit = holder.__reprise_emit;
/** Absent when the host does not offer it. */
export const probePromise: PromiseProbe | undefined = holder.__reprise_promise;
delete (holder as { __reprise_emit?: Emit }).__reprise_emit;
delete holder.__reprise_promise;

/** Sends a payload (plain objects, arrays, primitives) out as JSON. */
export function emit(kind: string, payload: unknown): void {
  hostEmit(kind, payload === undefined ? '' : jsonText(payload));
}

/** A payload without a prototype, so that no `toJSON` of the user's is asked. */
export function bare<T extends object>(payload: T): T {
  return setPrototypeOf(payload, null) as T;
}

// Every cell goes through these two: their JSON is put together here, without objects.
const rest = (text: string, truncated: boolean): string =>
  `"text":${stringify(text)}${truncated ? ',"truncated":true}' : '}'}`;

/** Output on a stream, without final newline. */
export function write(stream: 'stdout' | 'stderr', level: string, text: string, truncated: boolean): void {
  hostEmit('out', `{"stream":"${stream}","level":"${level}",${rest(text, truncated)}`);
}

/** The text of a cell's value. */
export function writeResult(text: string, truncated: boolean): void {
  hostEmit('result', `{${rest(text, truncated)}`);
}
