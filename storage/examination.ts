/**
 * Looks through sessions for logs that are not whole, as far as their links tell: that there is a newest commit, that
 * it is as it was written and appended as one, that the tails lead back to the first one, and that nothing stands
 * beside them. Whether the content of older commits is as it was written is told by whoever reads them all, and whether
 * cells give what the log says by a replay.
 */
import { faultText, hashFault } from '../bus/chain.ts';
import { hasCode } from '../bus/errors.ts';
import type { BrokenLog, ExamineReply, ExamineRequest } from '../bus/operations/logs.ts';
import type { History } from './history.ts';
import { pipelined } from './pipeline.ts';
import type { LogIndex, LogStore } from './ports.ts';

/** Sessions in one answer. */
const PAGE = 64;
/** Sessions looked at side by side. */
const WIDTH = 8;
/** Messages counted at once. */
const SCANNED = 64;
/** Commits that are walked through; of a longer log, only the newest one is looked at. */
const COMMITS_MAX = 20_000;

/** One page of sessions, by token. @throws RepriseError of the store */
export async function examine(
  { after = '' }: ExamineRequest,
  {
    log,
    history,
    removing,
  }: { log: LogStore; history: History; removing: () => Promise<Map<string, number>> },
): Promise<ExamineReply> {
  const before = await log.index();
  const tokens = [...before.commits.keys()].filter((token) => token > after).sort();
  const page = tokens.slice(0, PAGE);
  const looks = await pipelined(page, WIDTH, async (token): Promise<Look> => {
    try {
      const last = await log.last(token);
      if (!last) return { token };
      const { name } = last.commit.head;
      const fault = hashFault(last.commit, last.position);
      if (fault) return { token, name, problem: faultText(fault) };
      if (before.commits.get(token)! > COMMITS_MAX) return { token, name };
      return { token, name, chained: await history.count(last), newest: last.position };
    } catch (thrown) {
      if (!hasCode(thrown, 'CORRUPT', 'CHAIN_BROKEN')) throw thrown;
      return { token, name: await firstName(log, token), problem: thrown.message };
    }
  });
  const differs = looks.some(
    ({ token, chained }) => chained !== undefined && chained !== before.commits.get(token),
  );
  const now = differs ? await log.index() : before;
  const ending = differs ? await removing() : new Map<string, number>();
  const broken: BrokenLog[] = [];
  for (const look of looks) {
    const ended = ending.get(look.token);
    const odd = ended === undefined ? miscount(look, before, now) : await miscountBehind(look, ended, log);
    const problem =
      look.problem ?? (odd && [odd, await firstHole(look.token, history)].filter(Boolean).join(': '));
    if (problem) broken.push({ session: look.name ?? look.token, problem });
  }
  return {
    broken,
    examined: page.length,
    next: tokens.length > page.length ? page.at(-1)! : null,
  };
}

interface Look {
  token: string;
  name?: string;
  /** Commits that its tails lead back to. */
  chained?: number;
  /** Position of the newest of them. */
  newest?: number;
  problem?: string;
}

/** What stands beside the chain, or is missing from it. A session that goes on meanwhile grows from one count to the next. */
function miscount({ token, chained }: Look, before: LogIndex, now: LogIndex): string | null {
  const [least, most] = [before.commits.get(token), now.commits.get(token)];
  // Removed meanwhile, and perhaps begun again: the counts are of two sessions.
  if (chained === undefined || least === undefined || most === undefined) return null;
  if (before.generation !== now.generation) return null;
  return oddity(chained, least, most);
}

function oddity(chained: number, least: number, most: number): string | null {
  if (chained < least) return `${least - chained} of its ${least} messages are not in its chain`;
  if (chained > most) return `${chained - most} of its ${chained} commits are missing`;
  return null;
}

/**
 * The same of a name under which an older session still stands, whose newest commit is at `ended`: it is being removed,
 * or forks go on from it. Only what stands behind its grave counts.
 */
async function miscountBehind(
  { token, chained, newest }: Look,
  ended: number,
  log: LogStore,
): Promise<string | null> {
  const grave = await log.grave(token, ended);
  if (grave === null || chained === undefined) return null;
  let own = 0;
  for (let after = grave; ; ) {
    const found = await log.scan(token, after, SCANNED);
    own += found.length;
    if (found.length < SCANNED) break;
    after = found.at(-1)!.position;
  }
  // It goes on meanwhile: the next examination tells.
  return (await log.end(token)) === newest ? oddity(chained, own, own) : null;
}

/** Where the chain of a session has its first hole; null: it has none. */
async function firstHole(token: string, history: History): Promise<string | null> {
  try {
    for (let from: number | null = 0; from !== null; ) from = (await history.read(token, from)).next;
    return null;
  } catch (thrown) {
    if (!hasCode(thrown, 'CORRUPT', 'CHAIN_BROKEN')) throw thrown;
    return thrown.message;
  }
}

async function firstName(log: LogStore, token: string): Promise<string | undefined> {
  const [first] = await log.scan(token, 0, 1);
  return first?.commit?.head.name;
}
