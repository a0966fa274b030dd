/**
 * Boot: from an empty instance to a pristine heap with the prelude in it. The clock stands at 0 and nothing else
 * comes from outside, so two boots give the same bytes everywhere.
 */
import { RepriseError } from '../../bus/errors.ts';
import { assertObjectLayout } from './depth.ts';
import { COUNTDOWN, ENTRIES, type Entry, EVAL_SCRIPT, Guest, type Layout, type Pristine } from './guest.ts';
import { HOST_FUNCTIONS, Instance } from './instance.ts';
import { findLexicalScope } from './lexical-scope.ts';
import type { KernelLimits } from './limits.ts';
import { PAGE, STATIC_END } from './pages.ts';
import type { EffectCall } from './port.ts';
import { assertPromiseLayout } from './promises.ts';
import type { KernelWasm } from './wasm.ts';

const ALL_INTRINSICS = 0;
/** The engine's first garbage collection threshold. */
const FIRST_THRESHOLD = 262_144;

/** Boots once in an instance of its own. @throws RepriseError INTERNAL when the prelude throws. */
export function bootPristine(
  wasm: KernelWasm,
  prelude: string,
  limits: KernelLimits,
  calls: readonly EffectCall[] = [],
): Pristine {
  const known = findAddresses(wasm, limits);
  const instance = new Instance(wasm, limits.memoryBytes);
  const { runtime, context } = startInterpreter(instance, limits);
  const { engine } = instance;
  const layout: Layout = {
    runtime,
    context,
    scratch: engine.malloc(16),
    undefined: engine.QTS_GetUndefined(),
    entries: Object.fromEntries(ENTRIES.map((name) => [name, 0])) as Record<Entry, number>,
    countdown: context + known.countdownOffset,
    stackLimit: runtime + known.stackLimitOffset,
    heapEnd: known.heapEnd,
    stackTop: instance.stackTop,
  };
  const guest = new Guest(instance, layout);
  installHostFunctions(guest);
  const outcome = guest.eval(prelude, '<prelude>', EVAL_SCRIPT);
  if (outcome.thrown !== undefined) {
    throw new RepriseError('INTERNAL', `the prelude does not run: ${guest.text(outcome.thrown)}`);
  }
  for (const name of ENTRIES) {
    const value = property(guest, outcome.value, name);
    if (guest.text(value) === 'undefined') guest.free(value);
    else layout.entries[name] = value;
  }
  guest.free(outcome.value);
  giveScope(guest);
  if (calls.length > 0) guest.discard(guest.call('offer', { calls }));
  while (guest.jobPending) guest.runJobs(-1);
  collectGarbage(guest, runtime + known.thresholdOffset);
  fillHoles(guest);
  wipeStack(guest);
  guest.resetCountdown();
  const length = Math.ceil(guest.heapEnd / PAGE) * PAGE;
  // Shared: the other threads of a host start from the same bytes.
  const bytes = Buffer.from(new SharedArrayBuffer(length));
  copyNonZero(instance.bytes, bytes, length);
  return { layout, bytes };
}

/** A new instance with the pristine heap in it. */
export function makeGuest(wasm: KernelWasm, limits: KernelLimits, pristine: Pristine): Guest {
  const instance = new Instance(wasm, limits.memoryBytes, false);
  const { bytes, layout } = pristine;
  instance.reserve(bytes.length);
  instance.bytes.fill(0, 0, STATIC_END);
  copyNonZero(bytes, instance.bytes, bytes.length);
  return new Guest(instance, layout);
}

/** Copies into zeroed memory. Writing zeros over zeros would make the system back them with real memory. */
function copyNonZero(from: Buffer, to: Buffer, length: number): void {
  for (let at = 0; at < length; at += PAGE) {
    if (from.compare(ZERO_PAGE, 0, PAGE, at, at + PAGE) !== 0) from.copy(to, at, at, at + PAGE);
  }
}

const ZERO_PAGE = Buffer.alloc(PAGE);
/** Zero pages in a row that end the search for what a turn left below the stack pointer. */
const QUIET_PAGES = 16;

/**
 * Zeroes what calls left on the dead stack, so that images stay small. Where it stops follows from the bytes alone,
 * so equal heaps stay equal even where it stops early.
 */
export function wipeStack(guest: Guest): void {
  const bytes = guest.instance.bytes;
  let quiet = 0;
  for (let at = guest.layout.stackTop; quiet < QUIET_PAGES; ) {
    // The first step goes to the page's boundary.
    const start = (at - 1) & -PAGE;
    if (bytes.compare(ZERO_PAGE, 0, at - start, start, at) === 0) quiet++;
    else {
      bytes.fill(0, start, at);
      quiet = 0;
    }
    at = start;
  }
}

function startInterpreter(instance: Instance, limits: KernelLimits): { runtime: number; context: number } {
  const { engine } = instance;
  const runtime = engine.QTS_NewRuntime();
  engine.QTS_RuntimeSetMaxStackSize(runtime, limits.stackBytes);
  engine.QTS_RuntimeEnableInterruptHandler(runtime);
  const context = engine.QTS_NewContext(runtime, ALL_INTRINSICS);
  return { runtime, context };
}

function installHostFunctions(guest: Guest): void {
  const { engine } = guest.instance;
  const { context } = guest.layout;
  const global = engine.QTS_GetGlobalObject(context);
  for (const [name, ref] of Object.entries(HOST_FUNCTIONS)) {
    const text = guest.instance.writeText(name);
    const made = engine.QTS_NewFunction(context, text.pointer, 2, 0, ref);
    const key = engine.QTS_NewString(context, text.pointer);
    engine.QTS_SetProp(context, global, key, made);
    engine.free(text.pointer);
    guest.free(key);
    guest.free(made);
  }
  guest.free(global);
}

/** The prelude gets the lexical scope. */
function giveScope(guest: Guest): void {
  const { engine, words } = guest.instance;
  const { context } = guest.layout;
  const global = engine.QTS_GetGlobalObject(context);
  const scope = findLexicalScope(words, context, global);
  guest.free(global);
  guest.discard(guest.callWith('takeScope', scope));
}

/**
 * A collection puts the engine's objects in another order, which changes nearly every page, once: the next ones
 * change hardly any. So the first takes place here and not in every session.
 */
function collectGarbage(guest: Guest, threshold: number): void {
  for (let round = 0; round < 2; round++) {
    guest.instance.words[threshold >> 2] = 1;
    guest.discard(guest.eval('({})', '<boot>', EVAL_SCRIPT));
  }
}

/**
 * Reading the prelude leaves hundreds of small holes all over the heap; small allocations of a session would each
 * land on another page. Filling the holes makes them land side by side: a fifth of the changed pages.
 */
function fillHoles({ instance: { engine } }: Guest): void {
  const beyond = engine.malloc(300 * 1024);
  engine.free(beyond);
  for (let size = 1016; size >= 8; size -= 8) {
    for (let count = 0; count < 5000; count++) {
      const block = engine.malloc(size);
      if (block < beyond) continue;
      engine.free(block);
      break;
    }
  }
}

function property(guest: Guest, object: number, name: string): number {
  const { engine } = guest.instance;
  const text = guest.instance.writeText(name);
  const key = engine.QTS_NewString(guest.layout.context, text.pointer);
  const value = engine.QTS_GetProp(guest.layout.context, object, key);
  engine.free(text.pointer);
  guest.free(key);
  return value;
}

/**
 * Addresses that no export tells, found by watching an instance that is then thrown away: the word that moves with
 * the end of the heap, the words of a new runtime that hold the engine's first threshold for collecting garbage and
 * the stack's limit, and the word that holds the full countdown whenever the interrupt callback runs.
 */
function findAddresses(
  wasm: KernelWasm,
  limits: KernelLimits,
): { countdownOffset: number; thresholdOffset: number; stackLimitOffset: number; heapEnd: number } {
  const instance = new Instance(wasm, limits.memoryBytes);
  const before = instance.words.slice();
  const size = 2_000_000;
  const block = instance.engine.malloc(size);
  const now = instance.words;
  let heapEnd = 0;
  for (let word = 0; word < block >> 2; word++) {
    if (now[word] !== before[word] && now[word]! > block + size && now[word]! > now[heapEnd]!) heapEnd = word;
  }
  const { context, runtime } = startInterpreter(instance, limits);
  const runtimeWords = instance.words.subarray(runtime >> 2, (runtime >> 2) + 256);
  const threshold = runtimeWords.indexOf(FIRST_THRESHOLD);
  const usual = runtimeWords.slice();
  instance.engine.QTS_RuntimeSetMaxStackSize(runtime, limits.stackBytes / 2);
  const stackLimit = runtimeWords.findIndex((word, at) => word === usual[at]! + limits.stackBytes / 2);
  instance.engine.QTS_RuntimeSetMaxStackSize(runtime, limits.stackBytes);
  let candidates = Array.from({ length: 1024 }, (_, index) => (context >> 2) + index);
  instance.hooks = {
    emit: () => undefined,
    interrupt: () => {
      candidates = candidates.filter((word) => instance.words[word] === COUNTDOWN);
      return false;
    },
  };
  const file = instance.writeText('<boot>').pointer;
  const make = (text: string): number => {
    const code = instance.writeText(text);
    return instance.engine.QTS_Eval(context, code.pointer, code.length, file, 0, EVAL_SCRIPT);
  };
  make('for (let i = 0; i < 1e5; i++);');
  candidates = candidates.filter((word) => instance.words[word] !== COUNTDOWN);
  if (heapEnd === 0 || candidates.length !== 1 || threshold < 0 || stackLimit < 0) {
    throw new RepriseError('INTERNAL', 'this build of QuickJS keeps its countdown or its limits elsewhere');
  }
  assertPromiseLayout(instance, runtime, make);
  assertObjectLayout(() => instance.words, make);
  return {
    countdownOffset: candidates[0]! * 4 - context,
    thresholdOffset: threshold * 4,
    stackLimitOffset: stackLimit * 4,
    heapEnd: heapEnd * 4,
  };
}
