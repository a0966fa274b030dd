/** The only ways out of the sandbox: a few host functions, taken and hidden before user code runs. */
import { setPrototypeOf, stringify } from './intrinsics.ts';
import { jsonText } from './json.ts';

type Emit = (kind: string, payload: string) => void;
/**
 * What the engine knows of a promise. `which` 0 asks for the state (0 pending, 1 fulfilled, 2 rejected, else: none),
 * 1 for the value, 2 whether nobody waits for it (0 no, 1 it is pending, 2 rejected), 3 for the last promise made.
 */
type PromiseProbe = (promise: unknown, which: 0 | 1 | 2 | 3) => unknown;

/** Calls `prepare` of the prelude with some stack of its own. */
type Prepare = (error: unknown, sites: unknown[]) => unknown;
/** Whether a value is deeper than V8 writes as JSON; takes nothing else, but two arguments. */
type Deep = (value: object, none: undefined) => 1 | undefined;
/** What `call` gives, in so many bytes of stack at the most. */
type Within = (call: () => unknown, bytes: number) => unknown;

const holder = globalThis as unknown as {
  __reprise_emit?: Emit;
  __reprise_promise?: PromiseProbe;
  __reprise_prepare?: Prepare;
  __reprise_deep?: Deep;
  __reprise_within?: Within;
};
const hostEmit = holder.__reprise_emit!;
// The others are absent when the host does not offer them.
export const probePromise = holder.__reprise_promise;
export const hostPrepare = holder.__reprise_prepare;
export const hostDeep = holder.__reprise_deep;
export const callWithin = holder.__reprise_within;
delete holder.__reprise_emit;
delete holder.__reprise_promise;
delete holder.__reprise_prepare;
delete holder.__reprise_deep;
delete holder.__reprise_within;

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
