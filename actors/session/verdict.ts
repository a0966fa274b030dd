/** What the failure of one of its deeds means for a session. Pure. */
import { hasCode, type RepriseError } from '../../bus/errors.ts';

const FAILURES_MAX = 3;
const PAUSE_FIRST_MS = 20;

/** What storage says of a commit that it will never take. */
const REFUSALS = [
  'TOO_LARGE',
  'BAD_FORMAT',
  'STORAGE_FULL',
  'SEQ_GAP',
  'CHAIN_BROKEN',
  'CLOSED',
  'BAD_REQUEST',
  'DENIED',
] as const;

/**
 * The session was removed; another owner has the session; the command is refused and the session goes on from the log; the session is read
 * again after `againMs`; or it cannot go on here.
 */
export type Verdict = 'gone' | 'fenced' | 'refused' | 'failed' | { againMs: number };

/**
 * @param failures in a row, before this one
 * @param isAwaited whether somebody waits for a command that can be told
 */
export function verdictOn(
  error: RepriseError,
  { failures, isAwaited }: { failures: number; isAwaited: boolean },
): Verdict {
  if (error.code === 'NOT_FOUND') return 'gone';
  if (error.code === 'FENCED') return 'fenced';
  if (isAwaited && hasCode(error, ...REFUSALS)) return 'refused';
  const mayPass = error.retryable || error.code === 'INTERNAL';
  return mayPass && failures < FAILURES_MAX ? { againMs: PAUSE_FIRST_MS * 4 ** failures } : 'failed';
}
