/** `console`, as Node's: levels, printf formats, groups, counters, timers, tables. */
import { define, hasOwn, indexOf, now, push, put, slice, Table, tag, toFixed } from './intrinsics.ts';
import { formatBounded, inspectBounded } from './rendering.ts';
import { tableOf } from './table.ts';
import { write } from './wall.ts';

type Stream = 'stdout' | 'stderr';

let indent = '';
const counts = new Table<string, number>();
const timers = new Table<string, number>();

function indented(text: string): string {
  if (indent === '') return text;
  let out = indent;
  let from = 0;
  for (;;) {
    const at = indexOf(text, '\n', from);
    if (at < 0) return out + slice(text, from);
    out += slice(text, from, at + 1) + indent;
    from = at + 1;
  }
}

function print(stream: Stream, level: string, args: unknown[]): void {
  const { text, truncated } = formatBounded(args);
  write(stream, level, indented(text), truncated);
}

/** Reports an exception nobody caught: of a timer, an event listener, a discarded promise. */
export function reportUncaught(thrown: unknown, how = ''): void {
  const { text, truncated } = inspectBounded(thrown);
  write('stderr', 'error', `Uncaught ${how}${text}`, truncated);
}

const label = (given: unknown): string => (given === undefined ? 'default' : `${given}`);

function elapsed(name: string): string | undefined {
  const since = timers.get(name);
  if (since === undefined) return undefined;
  const ms = now() - since;
  if (ms < 1000) return `${ms}ms`;
  if (ms < 60_000) return `${toFixed(ms / 1000, 3)}s`;
  return `${toFixed(ms / 60_000, 3)}m`;
}

const warn = (text: string): void => write('stderr', 'warn', indented(text), false);

/** Names of the stack trace that `console.trace` prints. */
class Trace extends Error {}
define(Trace.prototype, 'name', 'Trace');

/** `console.group`, under two names. */
const opener =
  () =>
  (...args: unknown[]): void => {
    if (args.length > 0) print('stdout', 'group', args);
    if (indent.length < 200) indent += '  ';
    else depthBeyond++;
  };

const methods: Record<string, (...args: unknown[]) => void> = {
  log: (...args) => print('stdout', 'log', args),
  info: (...args) => print('stdout', 'info', args),
  debug: (...args) => print('stdout', 'debug', args),
  dirxml: (...args) => print('stdout', 'log', args),
  warn: (...args) => print('stderr', 'warn', args),
  error: (...args) => print('stderr', 'error', args),
  trace: (...args) => {
    const { text, truncated } = formatBounded(args);
    write('stderr', 'trace', indented(`${new Trace(text).stack}`), truncated);
  },
  dir: (value, options) => {
    const given = typeof options === 'object' && options !== null ? options : {};
    const { text, truncated } = inspectBounded(value, { customInspect: false, ...given });
    write('stdout', 'dir', indented(text), truncated);
  },
  table: (data, columns) => {
    const text = tableOf(data, columns);
    if (text === undefined) print('stdout', 'table', [data]);
    else write('stdout', 'table', indented(text), false);
  },
  group: opener(),
  groupCollapsed: opener(),
  groupEnd: () => {
    if (depthBeyond > 0) depthBeyond--;
    else indent = slice(indent, 2);
  },
  assert: (condition, ...args) => {
    if (condition) return;
    if (args.length === 0) push(args, 'Assertion failed');
    else args[0] = `Assertion failed: ${args[0]}`;
    print('stderr', 'assert', args);
  },
  count: (name) => {
    const key = label(name);
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    print('stdout', 'count', [`${key}: ${count}`]);
  },
  countReset: (name) => {
    const key = label(name);
    if (!counts.delete(key)) warn(`Warning: Count for '${key}' does not exist`);
  },
  time: (name) => {
    const key = label(name);
    if (timers.has(key)) warn(`Warning: Label '${key}' already exists for console.time()`);
    else timers.set(key, now());
  },
  timeEnd: (name) => {
    const key = label(name);
    const text = elapsed(key);
    if (text === undefined) return warn(`Warning: No such label '${key}' for console.timeEnd()`);
    timers.delete(key);
    print('stdout', 'timeEnd', [`${key}: ${text}`]);
  },
  timeLog: (name, ...args) => {
    const key = label(name);
    const text = elapsed(key);
    if (text === undefined) return warn(`Warning: No such label '${key}' for console.timeLog()`);
    const all: unknown[] = ['%s: %s', key, text];
    for (let at = 0; at < args.length; at++) push(all, args[at]);
    print('stdout', 'timeLog', all);
  },
};
let depthBeyond = 0;
/** There is no screen to clear, and no profiler: as in Node without a terminal. */
for (const name of ['clear', 'profile', 'profileEnd', 'timeStamp']) methods[name] = () => undefined;

export function installConsole(): void {
  const console = {};
  for (const name in methods) {
    if (!hasOwn(methods, name)) continue;
    define(methods[name]!, 'name', name);
    put(console, name, methods[name]);
  }
  tag(console, 'console');
  define(globalThis, 'console', console);
}
