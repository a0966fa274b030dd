/**
 * Finds sessions with unfinished work and no owner, and has a worker take them on: after a crash their cells go on
 * and their timers fire without anybody asking for the session.
 */
import { decode, encode } from '../../bus/codec.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { Bus } from '../../bus/port.ts';
import type { ActivateRequest, InspectRequest, ListReply, ListRequest, Reply } from '../../bus/protocol.ts';
import { type Subjects, sessionToken } from '../../bus/subjects.ts';

const TIMEOUT_MS = 1_000;
const PAGE = 500;

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

  async function ask<T>(subject: string, request: unknown): Promise<T> {
    const reply = decode(await bus.request(subject, encode(request), { timeoutMs: TIMEOUT_MS })) as Reply<T>;
    if (!reply.ok) throw RepriseError.fromWire(reply);
    return reply;
  }

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
      const page = await ask<ListReply>(subjects.store('list'), list);
      for (const { name } of page.sessions) {
        if (!(await isAbandoned(name, nowSilent))) continue;
        const request: ActivateRequest = { session: name };
        try {
          await ask(subjects.activate, request);
          handed += 1;
        } catch (error) {
          // The next round tries again.
          log(`cannot activate session ${name}: ${RepriseError.from(error).message}`);
        }
      }
      after = page.next ?? undefined;
    } while (after !== undefined);
    silent = nowSilent;
    return handed;
  };
}
