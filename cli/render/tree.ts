/** Lineages of sessions, as data and as a drawing. Pure. */
import { normalName } from '../../bus/subjects.ts';
import type { SessionMetadata } from '../../bus/types.ts';
import type { Palette } from './palette.ts';
import { count, printable } from './text.ts';

/** A session and its forks. */
export interface Lineage {
  session: string;
  id: string;
  /** 0 when it was removed and only its forks are left. */
  events: number;
  /** Of a fork: seq of the last event that it shares with its parent. */
  at?: number;
  removed?: true;
  /** In the order in which they left it. */
  forks: Lineage[];
}

/** The lineages of all sessions, or of one, by name. Parents that were removed are in them. */
export function lineages(sessions: readonly SessionMetadata[], of?: string): Lineage[] {
  const byId = new Map<string, Lineage>();
  for (const { id, name, eventCount } of sessions) {
    byId.set(id, { session: name, id, events: eventCount, forks: [] });
  }
  const roots = new Set(byId.values());
  for (const { id, parent } of sessions) {
    if (!parent) continue;
    const fork = byId.get(id)!;
    let from = byId.get(parent.id);
    if (!from) {
      from = { session: parent.session, id: parent.id, events: 0, removed: true, forks: [] };
      byId.set(parent.id, from);
      roots.add(from);
    }
    fork.at = parent.seq;
    from.forks.push(fork);
    roots.delete(fork);
  }
  for (const { forks } of byId.values()) forks.sort((a, b) => a.at! - b.at! || compare(a, b));
  const found = [...roots].sort(compare);
  if (of === undefined) return found;
  const name = normalName(of);
  return found.filter((root) => members(root).some((one) => one.session === name && !one.removed));
}

/** Iterative, as all here: a lineage may be thousands of forks deep. */
function members(root: Lineage): Lineage[] {
  const all = [root];
  for (const one of all) all.push(...one.forks);
  return all;
}

const compare = (a: Lineage, b: Lineage) => (a.session < b.session ? -1 : a.session > b.session ? 1 : 0);

/** Indentation does not grow without end. */
const DEPTH_MAX = 40;

/** A line a session; `of` stands out. */
export function renderTree(trees: readonly Lineage[], of: string | undefined, palette: Palette): string {
  const lines: string[] = [];
  const waiting = trees.toReversed().map((one) => ({ one, before: '', branch: '', depth: 0 }));
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { one, before, branch, depth } = next;
    const facts = [
      ...(one.at === undefined ? [] : [`from seq ${one.at}`]),
      one.removed ? 'removed; its forks keep what they share' : count(one.events, 'event'),
    ];
    const name = printable(one.session);
    const shown = one.session === of ? palette.bold(name) : one.removed ? palette.dim(name) : name;
    lines.push(`${palette.dim(before + branch)}${shown}  ${palette.dim(facts.join(' · '))}\n`);
    const inner =
      depth >= DEPTH_MAX ? before : before + (branch === '' ? '' : branch === '└─ ' ? '   ' : '│  ');
    for (const [index, fork] of one.forks.toReversed().entries()) {
      waiting.push({ one: fork, before: inner, branch: index === 0 ? '└─ ' : '├─ ', depth: depth + 1 });
    }
  }
  return lines.join('') || palette.dim('there are no sessions\n');
}
