/**
 * Finds sessions with unfinished work and no owner, and has a worker take them on: after a crash their cells go on
 * and their timers fire without anybody asking for the session.
 */
import { encode } from '../../bus/codec.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import { parseAccepted } from '../../bus/long-call.ts';
import type { Bus } from '../../bus/port.ts';
import type { ActivateRequest, InspectRequest, ListRequest } from '../../bus/protocol.ts';
import { activateReplySchema, listReplySchema, parseReply } from '../../bus/reply-schemas.ts';
import { type Subjects, sessionToken } from '../../bus/subjects.ts';

const TIMEOUT_MS = 1_000;
const PAGE = 500;
/** A session that no worker can take on (its log diverges, say) is left alone for this long. */
const REFUSED_MS = 300_000;

export interface SweepOptions {
  bus: Bus;
  subjects: Subjects;
  /** Milliseconds since the epoch. */
  now: () => number;
  log: (line: string) => void;
}

/** A sweeper remembers which owners did not answer the last time. */
export function makeSweep({ bus, subjects, now, log }: SweepOptions): () => Promise<number> {
  let silent = new Set<string>();
  /** Sessions that were refused, and until when. */
  const refused = new Map<string, number>();

  /** Whether nobody owns the session: nobody is subscribed, or its owner was silent twice in a row. */
  async function isAbandoned(session: string, nowSilent: Set<string>): Promise<boolean> {
    const inspect: InspectRequest = { op: 'inspect', session };
    try {
      await bus.request(subjects.cmd(sessionToken(session)), encode(inspect), { timeoutMs: TIMEOUT_MS });
      return false;
    } catch (error) {
      if (hasCode(error, 'NO_RESPONDERS')) return true;
      if (!hasCode(error, 'TIMEOUT')) throw error;
      if (silent.has(session)) return true;
      nowSilent.add(session);
      return false;
    }
  }

  /** One round. Returns how many sessions were handed to a worker. */
  return async function sweep() {
    const nowSilent = new Set<string>();
    let handed = 0;
    let after: string | undefined;
    do {
      const list: ListRequest = { unfinishedAt: now(), limit: PAGE, after };
      const answer = await bus.request(subjects.store('list'), encode(list), { timeoutMs: TIMEOUT_MS });
      const page = parseReply(listReplySchema, answer);
      for (const { name } of page.sessions) {
        if ((refused.get(name) ?? 0) > now()) continue;
        refused.delete(name);
        if (!(await isAbandoned(name, nowSilent))) continue;
        const request: ActivateRequest = { session: name };
        try {
          const answer = await bus.request(subjects.activate, encode(request), { timeoutMs: TIMEOUT_MS });
          if (!parseAccepted(answer)) parseReply(activateReplySchema, answer);
          handed += 1;
        } catch (thrown) {
          const error = RepriseError.from(thrown);
          // Of what may pass, the next round tries again.
          if (!error.retryable) refused.set(name, now() + REFUSED_MS);
          log(`cannot activate session ${name}: ${error.message}`);
        }
      }
      after = page.next ?? undefined;
    } while (after !== undefined);
    silent = nowSilent;
    return handed;
  };
}
