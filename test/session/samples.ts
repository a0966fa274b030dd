/** Events, turns and stored commits for tests of the session's pure parts. */

import type { Turn } from '../../actors/kernel/port.ts';
import { makeCommit } from '../../actors/session/commit.ts';
import { emptyFold, placeAt } from '../../actors/timeline/fold.ts';
import type { SessionFold } from '../../actors/timeline/fold-shape.ts';
import { commitHash } from '../../bus/codec.ts';
import type { SessionEvent, StoredCommit } from '../../bus/types.ts';

export const T0 = Date.parse('2026-01-01T00:00:00.000Z');
export const at = (ms: number): string => new Date(T0 + ms).toISOString();

export const session: SessionEvent = {
  type: 'session',
  version: 1,
  seq: 0,
  id: 'id-1',
  created: at(0),
  name: 'sample',
  seed: 'seed-1',
};

export function input(seq: number, code: string, commandId = `c${seq}`, cell = 1): SessionEvent {
  return { type: 'input', seq, code, timestamp: at(seq), commandId, cell };
}

export function result(seq: number, value: string, cell = 1): SessionEvent {
  return { type: 'output', seq, value, timestamp: at(seq), stream: 'result', cell, durationMs: 1 };
}

export function turn(parts: Partial<Turn> = {}): Turn {
  return {
    status: 'done',
    outputs: [],
    requests: [],
    cancelled: [],
    exit: false,
    fuel: 1,
    heapBytes: 1,
    durationMs: 1,
    ...parts,
  };
}

/** Commits groups of events one after the other, as an owner would. */
export function store(
  groups: SessionEvent[][],
  name = 'sample',
): { commits: StoredCommit[]; fold: SessionFold } {
  let fold = emptyFold(name);
  const commits: StoredCommit[] = [];
  for (const [index, events] of groups.entries()) {
    const facts = { commit: `commit-${index}`, epoch: 1, kernel: 'k1', atMs: T0 + index };
    const { commit, next } = makeCommit(fold, events, facts);
    const stored = { commit, position: (index + 1) * 10, sizeBytes: 100 };
    fold = placeAt(next, stored);
    commits.push(stored);
  }
  return { commits, fold };
}

export function rehash(stored: StoredCommit): StoredCommit {
  return { ...stored, commit: { ...stored.commit, hash: commitHash(stored.commit) } };
}
