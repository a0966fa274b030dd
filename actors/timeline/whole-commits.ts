/** A log message by message, as far as it is whole: for logs of which something is wrong. */
import {
  CHAIN_START,
  type ChainPlace,
  ChainReader,
  commitFault,
  cutToSession,
  faultText,
  placeAfter,
  placeBefore,
} from '../../bus/chain.ts';
import { hasCode } from '../../bus/errors.ts';
import { restoredCommits } from '../../bus/large.ts';
import type { Divergence } from '../../bus/operations/looks.ts';
import type { ForkPoint, StoredCommit } from '../../bus/types.ts';
import type { TimelineStore } from './ports.ts';

export type ScanStore = Pick<TimelineStore, 'getLarge' | 'read' | 'scan'>;

/** A break of the chain, as the difference that it is. */
export function chainDivergence(
  { seq = -1, position }: { seq?: number; position?: number },
  actual: string,
): Divergence {
  return { seq, position, kind: 'chain', expected: 'an unbroken chain of commits', actual };
}

/** The commits before the first place at which the log is not whole, and what is wrong there. */
export async function wholeCommits(
  name: string,
  store: ScanStore,
): Promise<{ commits: StoredCommit[]; fault: Divergence | null }> {
  const commits: StoredCommit[] = [];
  let place: ChainPlace = CHAIN_START;
  let odd: Divergence | null = null;
  // What was found first tells most: what comes after it may be wrong for its sake.
  const faultAt = (position: number, what: string) =>
    odd ?? chainDivergence({ seq: place.next, position }, what);
  for await (const page of store.scan(name)) {
    for (const { position, sizeBytes, commit, problem } of page) {
      if (!commit) return { commits, fault: faultAt(position, problem ?? 'no commit') };
      if (problem !== undefined) {
        // What was not appended is no link of the chain: the next commit follows the one before.
        odd = faultAt(position, problem);
        continue;
      }
      const stored = { commit, position, sizeBytes };
      const { parent } = commit.head;
      if (place === CHAIN_START && parent) {
        const shared = await sharedCommits(name, parent, store);
        commits.push(...shared.commits);
        if (shared.fault) return { commits, fault: shared.fault };
        place = placeBefore(commit);
      }
      const fault = commitFault(stored, place);
      if (fault) return { commits, fault: faultAt(position, faultText(fault)) };
      try {
        commits.push(...(await restoredCommits([stored], store)));
      } catch (thrown) {
        if (!hasCode(thrown, 'CORRUPT')) throw thrown;
        return { commits, fault: faultAt(position, thrown.message) };
      }
      place = placeAfter(stored);
    }
  }
  return { commits, fault: odd };
}

/** What a fork shares with its parent: read by way of the fork or, where that is of no use, of the parent. */
async function sharedCommits(
  name: string,
  { session, seq, position, hash }: ForkPoint,
  store: ScanStore,
): Promise<{ commits: StoredCommit[]; fault: Divergence | null }> {
  let commits: StoredCommit[] = [];
  let fault: Divergence | null = null;
  for (const source of [name, session]) {
    commits = [];
    const reader = new ChainReader();
    let end = '';
    try {
      for await (const stored of store.read(source, 0, seq)) {
        reader.check(stored);
        commits.push(
          ...(await restoredCommits(
            cutToSession([{ ...stored, upTo: Math.min(stored.upTo ?? seq, seq) }]),
            store,
          )),
        );
        end = stored.commit.hash;
      }
      if (end === hash) return { commits, fault: null };
      fault ??= chainDivergence({ seq, position }, 'what it is a fork of is not there');
    } catch (thrown) {
      if (!hasCode(thrown, 'CORRUPT', 'CHAIN_BROKEN')) throw thrown;
      fault ??= chainDivergence(thrown.at ?? { seq, position }, thrown.message);
    }
  }
  return { commits, fault };
}
