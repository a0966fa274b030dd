/**
 * Where two moments differ, of one session or of two: the event at which they part, variables, and what happened behind
 * it. Looks alone: on copies. Works on sessions that run, wait, or are closed.
 */
import { isRequest } from '../../effect-events.ts';
import type { AtReply } from '../../operations/looks.ts';
import type { SessionEvent, VariableSummary } from '../../types.ts';
import type { AtOptions, DiffOptions } from '../options.ts';
import { type CallDifference, diffCalls, diffOutputs, type OutputLine, Telling } from './events.ts';
import { diffTrees, isReplaced, parseWalk, previewOf, type ValueTree } from './trees.ts';
import { walkCode } from './walk.ts';

/** A session right after an event. */
export interface DiffMoment {
  session: string;
  /** Absent: the newest. */
  seq?: number;
}

/** A place among the variables; absent is what only the other has. */
export interface VariableDifference {
  path: string;
  a?: string;
  b?: string;
}

export interface DiffReply {
  a: Required<DiffMoment>;
  b: Required<DiffMoment>;
  /** The newest event that both share, with all before it; null: they share none. */
  parted: number | null;
  variables: VariableDifference[];
  /** Lines behind the parting that only one has. */
  outputs: { a: OutputLine[]; b: OutputLine[] };
  /** Calls behind the parting that only one has, or that were answered otherwise. */
  calls: CallDifference[];
  same: boolean;
  /** Why differences are not all among these by themselves; empty: they are. */
  bounds: DiffBound[];
}

/**
 * `values`: there was no room to tell all of the variables, the rest was compared by its hash; `unseen`: some were too
 * many or too deep even to look at; `previews`: the builtins of a session are not what they were, or the look took too
 * long, so that variables were compared by their previews alone; `events`: there are too many behind the parting.
 */
export type DiffBound = 'values' | 'unseen' | 'previews' | 'events';

export interface DiffPorts {
  at(session: string, seq: number | undefined, options: AtOptions): Promise<AtReply>;
  events(
    session: string,
    from: number,
    to: number,
    options: { signal?: AbortSignal },
  ): AsyncIterable<SessionEvent>;
  /** What no two commits share, of the commit that holds an event. */
  commitOf(session: string, seq: number, signal?: AbortSignal): Promise<string>;
}

/** Computing time of a walk: a trap of a proxy may never end. */
const WALK_MS = 10_000;
/** Events behind the parting that are read, a side. */
const EVENTS_MAX = 100_000;

/** Compares two moments. @throws RepriseError as `at` */
export async function diffMoments(
  ports: DiffPorts,
  given: { a: DiffMoment; b: DiffMoment },
  options: DiffOptions = {},
): Promise<DiffReply> {
  const [a, b] = await both(given, ({ session, seq }) => ports.at(session, seq, options));
  const parted = await partingOf(ports, { a, b }, options.signal);
  const bounds = new Set<DiffBound>();
  const variables = await diffVariables(ports, { a, b }, options, bounds);
  const [told, other] = await both({ a, b }, (side) => tell(ports, side, parted, options, bounds));
  await askShared(ports, a.session, parted, [told, other], options);
  const outputs = diffOutputs(told.outputs, other.outputs);
  const calls = diffCalls(told.calls, other.calls);
  const same = variables.length + outputs.a.length + outputs.b.length + calls.length === 0;
  const momentOf = ({ session, seq }: AtReply) => ({ session, seq });
  return { a: momentOf(a), b: momentOf(b), parted, variables, outputs, calls, same, bounds: [...bounds] };
}

const both = <S, T>({ a, b }: { a: S; b: S }, work: (side: S) => Promise<T>): Promise<[T, T]> =>
  Promise.all([work(a), work(b)]);

/**
 * The newest event that two logs share. By halving: what shares an event shares all before it. The commits that hold them
 * tell, for events behind the parting may be alike.
 */
async function partingOf(
  { commitOf }: DiffPorts,
  { a, b }: { a: AtReply; b: AtReply },
  signal?: AbortSignal,
): Promise<number | null> {
  let shared = -1;
  let beyond = Math.min(a.seq, b.seq) + 1;
  if (a.metadata.id === b.metadata.id) return beyond - 1;
  // Unrelated sessions differ at once, and a fork shares most often nearly all.
  for (let seq = 0; shared + 1 < beyond; seq = (shared + beyond) >>> 1) {
    const [one, other] = await both({ a, b }, ({ session }) => commitOf(session, seq, signal));
    if (one === other) shared = seq;
    else beyond = seq;
  }
  return shared < 0 ? null : shared;
}

async function diffVariables(
  ports: DiffPorts,
  { a, b }: { a: AtReply; b: AtReply },
  options: DiffOptions,
  bounds: Set<DiffBound>,
): Promise<VariableDifference[]> {
  const [state, other] = [a.state, b.state];
  if (state.stateId === other.stateId && state.kernel === other.kernel) return [];
  const [ofA, ofB] = [byName(state.variables), byName(other.variables)];
  const isCommon = ({ name }: VariableSummary) => ofA.has(name) && ofB.has(name);
  const share = new Set([...ofA.keys(), ...ofB.keys()]).size;
  const { timeoutMs = WALK_MS } = options;
  // Those of both first, in one order: what is shared is named by the first path to it.
  const walkOf = async ({ session, seq, state: { variables } }: AtReply) => {
    const sorted = [...variables].sort((x, y) => (x.name < y.name ? -1 : 1));
    const list = [...sorted.filter(isCommon), ...sorted.filter((variable) => !isCommon(variable))];
    const names = list.map(({ name }) => name);
    for (const isPrinted of [false, true]) {
      const code = walkCode(list, share, isPrinted);
      const { evaluated } = await ports.at(session, seq, { ...options, code, timeoutMs });
      // Struck: another time it would be, too.
      if (!evaluated || evaluated.error) return null;
      const walk = parseWalk(isPrinted ? evaluated.stdout : evaluated.output, names);
      if (walk) return walk;
    }
    return null;
  };
  const [walk, otherWalk] = await both({ a, b }, walkOf);
  if (!walk || !otherWalk) bounds.add('previews');
  if (walk?.isCut || otherWalk?.isCut) bounds.add('values');
  if (walk?.isOver || otherWalk?.isOver) bounds.add('unseen');
  const differences: VariableDifference[] = [];
  for (const name of [...ofA.keys(), ...[...ofB.keys()].filter((one) => !ofA.has(one))]) {
    const [old, now] = [ofA.get(name), ofB.get(name)];
    const [tree, otherTree] = [walk?.variables.get(name), otherWalk?.variables.get(name)];
    if (old && now && tree && otherTree) differences.push(...differencesIn(name, tree, otherTree));
    else if (!old || !now || old.preview !== now.preview || old.type !== now.type) {
      if (old && now) bounds.add('previews');
      differences.push({ path: name, a: old?.preview, b: now?.preview });
    }
  }
  return differences;
}

const byName = (variables: readonly VariableSummary[]) =>
  new Map(variables.map((variable) => [variable.name, variable]));

function differencesIn(name: string, a: ValueTree, b: ValueTree): VariableDifference[] {
  return diffTrees(a, b).map((change) => {
    const text = (tree: ValueTree | undefined) => tree && (isReplaced(change) ? previewOf(tree) : tree.text);
    return { path: name + change.steps.join(''), a: text(change.a), b: text(change.b) };
  });
}

/** What happened behind the parting, up to the moment. */
async function tell(
  ports: DiffPorts,
  { session, seq }: AtReply,
  parted: number | null,
  options: DiffOptions,
  bounds: Set<DiffBound>,
): Promise<Telling> {
  const { signal } = options;
  const telling = new Telling();
  const from = parted === null ? 0 : parted + 1;
  const to = Math.min(seq, from + EVENTS_MAX - 1);
  if (to < seq) bounds.add('events');
  if (from > to) return telling;
  for await (const event of ports.events(session, from, to, { signal })) telling.take(event);
  return telling;
}

/** Calls that were open at the parting are asked on both sides, and answered on each by itself. */
async function askShared(
  ports: DiffPorts,
  session: string,
  parted: number | null,
  tellings: readonly Telling[],
  options: DiffOptions,
): Promise<void> {
  const answered = new Set(tellings.flatMap(({ strays }) => [...strays.keys()]));
  if (parted === null || answered.size === 0) return;
  const { state } = await ports.at(session, parted, options);
  for (const { effect, seq } of state.pending) {
    if (!answered.has(effect)) continue;
    for await (const event of ports.events(session, seq, seq, { signal: options.signal })) {
      if (isRequest(event)) for (const telling of tellings) telling.ask(event);
    }
  }
}
