/**
 * `error.stack` as V8 writes it (`TypeError: bad` and frames `at f (<cell 3>:2:7)`), in the user's positions and
 * without frames of the prelude.
 *
 * QuickJS calls `Error.prepareStackTrace` for every error; ours stays behind the property that users see.
 */

import { MARKERS } from '../../marker.ts';
import {
  apply,
  arraySlice,
  defineProperty,
  errorToString,
  expose,
  functionToString,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  IntrinsicError,
  indexOf,
  push,
  slice,
  startsWith,
  Table,
  uncurry,
} from './intrinsics.ts';
import { sessionBehaves } from './version.ts';
import { hostPrepare } from './wall.ts';

interface Site {
  getFunctionName(): string | null;
  getFileName(): string | null;
  getLineNumber(): number | null;
  getColumnNumber(): number | null;
  isNative(): boolean;
}

/** Positions of a cell's body, see the compiler's `rewriting.ts`: [line, column, originalLine, originalColumn, kind]. */
type Segment = number[];

const maps = new Table<string, string>();
const parsed = new Table<string, Segment[]>();

/** Remembers how positions of a cell map back; null: one line up. */
export function rememberMap(cell: number, map: string | null): void {
  if (map !== null) maps.set(`<cell ${cell}>`, map);
}

/** Called when a cell has ended: a map whose cell left no function behind is not needed any more. */
export function forgetMap(cell: number): void {
  const file = `<cell ${cell}>`;
  const map = maps.get(file);
  if (map !== undefined && startsWith(map, '!')) {
    maps.delete(file);
    parsed.delete(file);
  }
}

function segmentsOf(file: string, map: string): Segment[] {
  let segments = parsed.get(file);
  if (segments === undefined) {
    segments = [];
    let last: Segment = [0, 0, 0, 0, 0];
    const fields: number[] = [];
    let value = 0;
    let shift = 0;
    for (let at = map[0] === '!' ? 1 : 0; at < map.length; at++) {
      const digit = indexOf(DIGITS, map[at]!);
      value |= (digit & 31) << shift;
      shift += 5;
      if (digit & 32) continue;
      push(fields, value & 1 ? -(value >> 1) : value >> 1);
      value = 0;
      shift = 0;
      if (fields.length < 5) continue;
      const line = last[0]! + fields[1]!;
      const column = fields[1] === 0 ? last[1]! + fields[2]! : fields[2]!;
      last = [line, column, last[2]! + fields[3]!, column + fields[4]!, fields[0]!];
      push(segments, last);
      fields.length = 0;
    }
    parsed.set(file, segments);
  }
  return segments;
}
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Line and column in the user's code of a position in a cell's body. */
export function originalPosition(file: string, line: number, column: number): [number, number] {
  const map = maps.get(file);
  let best: Segment | undefined;
  if (map !== undefined) {
    const segments = segmentsOf(file, map);
    for (let at = 0; at < segments.length; at++) {
      const segment = segments[at]!;
      if (segment[0]! > line || (segment[0] === line && segment[1]! > column)) break;
      if (segment[4] !== 2) best = segment;
      else if (segment[0] === line && segment[1] === column) return [segment[2]!, segment[3]!];
    }
  }
  if (best === undefined) return [line > 1 ? line - 1 : 1, column];
  if (best[4] === 1) return [best[2]!, best[3]!];
  return line === best[0] ? [best[2]!, best[3]! + column - best[1]!] : [best[2]! + line - best[0]!, column];
}

/** The setter that a write to a const becomes: its frame says nothing. */
const CONST_SETTER = 'set Assignment to constant variable.';

interface Frame {
  name: string;
  file: string;
  line: number;
  column: number;
  native: boolean;
}

/** What stands between a builtin and a function of ours that calls it says nothing. */
const isOurCall = (name: string, caller: Site | undefined): boolean =>
  (name === 'apply' || name === '__reprise_within') &&
  caller !== undefined &&
  methods.getFileName(caller) === '<prelude>' &&
  sessionBehaves('overflowStacks');

let methods: { [K in keyof Site]: (site: Site) => ReturnType<Site[K]> };

function framesOf(sites: Site[]): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < sites.length; at++) {
    const site = sites[at]!;
    const file = methods.getFileName(site) ?? '';
    const name = methods.getFunctionName(site) ?? '';
    if (file === '<prelude>' || name === CONST_SETTER) continue;
    const native = methods.isNative(site);
    if (native && isOurCall(name, sites[at + 1])) continue;
    let line = methods.getLineNumber(site) ?? 1;
    let column = methods.getColumnNumber(site) ?? 1;
    if (startsWith(file, '<cell ')) {
      const position = originalPosition(file, line, column);
      line = position[0];
      column = position[1];
    }
    const shown = name === '<eval>' || name === '<anonymous>' ? '' : name;
    push(frames, { name: shown, file: file === '<input>' ? '<anonymous>' : file, line, column, native });
  }
  return frames;
}

function textOf(frames: Frame[]): string {
  let text = '';
  for (let at = 0; at < frames.length; at++) {
    const { name, file, line, column, native } = frames[at]!;
    const place = native ? 'native' : `${file}:${line}:${column}`;
    text += name === '' ? `\n    at ${place}` : `\n    at ${name} (${place})`;
  }
  return text;
}

/** What users' own `Error.prepareStackTrace` gets: V8's call sites, as far as they make sense here. */
class CallSite {
  readonly #frame: Frame;
  constructor(frame: Frame) {
    this.#frame = frame;
  }
  getFunctionName(): string | null {
    return this.#frame.name === '' ? null : this.#frame.name;
  }
  getFileName(): string {
    return this.#frame.file;
  }
  getLineNumber(): number {
    return this.#frame.line;
  }
  getColumnNumber(): number {
    return this.#frame.column;
  }
  isNative(): boolean {
    return this.#frame.native;
  }
  toString(): string {
    return slice(textOf([this.#frame]), 8);
  }
}

let usersHook: ((error: unknown, sites: CallSite[]) => unknown) | undefined;

/** Drops the constructors of the error's own classes from the top: where `new` stands is what matters. */
function withoutConstructors(frames: Frame[], error: unknown): Frame[] {
  let from = 0;
  let at: unknown = error;
  while (frames[from] !== undefined && typeof at === 'object' && at !== null && at !== errorPrototype) {
    at = getPrototypeOf(at);
    const maker: unknown = at === null ? undefined : getOwnPropertyDescriptor(at, 'constructor')?.value;
    const name: unknown =
      typeof maker === 'function' ? getOwnPropertyDescriptor(maker, 'name')?.value : undefined;
    if (name !== '' && frames[from]!.name === name) {
      from++;
      at = error;
    }
  }
  return from === 0 ? frames : (arraySlice(frames, from) as Frame[]);
}
const errorPrototype: object = IntrinsicError.prototype;

/** What the engine asks for an error's stack. */
export function prepare(error: unknown, sites: Site[]): unknown {
  const frames = withoutConstructors(framesOf(sites), error);
  if (usersHook !== undefined) {
    const shown: CallSite[] = [];
    for (let at = 0; at < frames.length; at++) push(shown, new CallSite(frames[at]!));
    return usersHook(error, shown);
  }
  let head = 'Error';
  try {
    head = errorToString(error as Error);
  } catch {
    // A throwing `name` or `message` getter: the frames still help.
  }
  return head + textOf(frames);
}

/**
 * The stack to show. V8 writes its first line when it is first read, so a name or message set after construction
 * (`super(m); this.name = 'Mine'`) appears in it; the engine here writes it at construction.
 */
export function stackOf(error: Error): unknown {
  const { stack } = error;
  if (typeof stack !== 'string') return stack;
  const at = indexOf(stack, '\n    at ');
  if (at < 0) return stack;
  const head = errorToString(error);
  const written = slice(stack, 0, at);
  // A head that does not start with the class's own name was put there by the user.
  if (head === written || !startsWith(written, inheritedName(error))) return stack;
  return head + slice(stack, at);
}

function inheritedName(error: Error): string {
  try {
    return `${(getPrototypeOf(error) as Error | null)?.name}`;
  } catch {
    // A getter that wants an instance, as DOMException's.
    return '';
  }
}

/** How the engine writes what is no code, and how V8 does: no user's function can end so. */
const ENGINE_NATIVE = '() {\n    [native code]\n}';
const NATIVE = '() { [native code] }';

/** The text of functions as the user wrote it. */
function installFunctionText(): void {
  expose(Function.prototype, 'toString', function (this: object): string {
    let text = functionToString(this as never);
    const end = text.length - ENGINE_NATIVE.length;
    if (end >= 0 && slice(text, end) === ENGINE_NATIVE && sessionBehaves('nativeTexts')) {
      return slice(text, 0, end) + NATIVE;
    }
    for (let one = 0; one < MARKERS.length; one++) {
      const marker = MARKERS[one]!;
      for (let at = indexOf(text, marker); at >= 0; at = indexOf(text, marker, at)) {
        text = slice(text, 0, at) + slice(text, at + marker.length);
      }
    }
    return text;
  });
}

/** Takes over stack traces. Called once, before `askThroughHost`. */
export function installStacks(): void {
  installFunctionText();
  const Engine = IntrinsicError as unknown as { prepareStackTrace: unknown };
  Engine.prepareStackTrace = (_error: unknown, sites: Site[]) => {
    const prototype = getPrototypeOf(sites[0]) as Site;
    methods = {
      getFunctionName: uncurry(prototype.getFunctionName),
      getFileName: uncurry(prototype.getFileName),
      getLineNumber: uncurry(prototype.getLineNumber),
      getColumnNumber: uncurry(prototype.getColumnNumber),
      isNative: uncurry(prototype.isNative),
    };
    return '';
  };
  void new IntrinsicError('').stack;
  Engine.prepareStackTrace = prepare;
  const accessor = getOwnPropertyDescriptor(IntrinsicError, 'prepareStackTrace');
  if (accessor?.configurable !== true) return;
  setHook = accessor.set as typeof setHook;
  defineProperty(IntrinsicError, 'prepareStackTrace', {
    get: () => usersHook,
    set: (hook: unknown) => {
      usersHook = typeof hook === 'function' ? (hook as typeof usersHook) : undefined;
    },
    enumerable: false,
    configurable: true,
  });
}

let setHook: ((this: unknown, hook: unknown) => void) | undefined;

/**
 * Whether the engine asks for stacks through the host, which has stack to give when there is none left; or directly,
 * and errors of stack overflows then have none.
 */
export function askThroughHost(wanted: boolean): void {
  if (hostPrepare !== undefined && setHook !== undefined)
    apply(setHook, IntrinsicError, [wanted ? hostPrepare : prepare]);
}
