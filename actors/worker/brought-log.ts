/**
 * A log that somebody brings, looked at event by event before anything is done with it: it may have been written by
 * anybody. What passes is a log that a session can go on from, under an id of its own. Pure.
 */
import { isBlobKey } from '../../bus/blob-keys.ts';
import { RepriseError } from '../../bus/errors.ts';
import { sessionEventSchema } from '../../bus/event-schemas.ts';
import { IMPORT_EVENTS_MAX } from '../../bus/limits.ts';
import { parse } from '../../bus/schema.ts';
import type { EventOf, SessionEvent } from '../../bus/types.ts';
import { kindOf, openedBy } from '../effects/kinds.ts';
import { BEHAVIOUR_VERSION } from '../kernel/behaviours.ts';
import { seqOf } from '../timeline/fold.ts';

export class BroughtLog {
  readonly #events: SessionEvent[] = [];

  /** @throws RepriseError BAD_FORMAT naming the event */
  push(value: unknown): void {
    const seq = this.#events.length;
    try {
      const event = parse(sessionEventSchema, value);
      this.#assertFits(event, seq);
      this.#events.push(event);
    } catch (thrown) {
      const { code, message, hint } = RepriseError.from(thrown);
      throw new RepriseError(code, `event ${seq}: ${message}`, { hint: hint ?? 'nothing was begun' });
    }
  }

  /** All of it. @throws RepriseError BAD_FORMAT when there is nothing */
  whole(): SessionEvent[] {
    if (this.#events.length > 0) return this.#events;
    throw new RepriseError('BAD_FORMAT', 'the log has no events', { hint: 'nothing was begun' });
  }

  #assertFits(event: SessionEvent, seq: number): void {
    if (seq >= IMPORT_EVENTS_MAX) {
      throw new RepriseError('TOO_LARGE', `a log that is imported has at most ${IMPORT_EVENTS_MAX} events`);
    }
    if (event.large) throw unfit('it stands for a value that is not in the log');
    if (seqOf(event) !== seq || (event.type === 'session' && (event.seq ?? 0) !== seq)) {
      throw unfit(`its seq is ${event.seq}`);
    }
    if ((event.type === 'session') !== (seq === 0)) {
      throw unfit('the first event of a log, and no other, is its `session` event');
    }
    if (this.#events.at(-1)?.type === 'closed') throw unfit('nothing may follow a `closed` event');
    // It becomes a part of a subject.
    if (event.type === 'checkpoint' && (!isBlobKey(event.stateId) || event.stateId.includes('.'))) {
      throw unfit('stateId: Expected one safe token');
    }
    if (event.type === 'session' && event.kernel !== undefined && event.version > BEHAVIOUR_VERSION) {
      throw new RepriseError('BAD_FORMAT', `it was begun by a newer Reprise (version ${event.version})`, {
        hint: 'nothing was begun; upgrade, then try again',
      });
    }
  }
}

function unfit(why: string): RepriseError {
  return new RepriseError('BAD_FORMAT', why, { hint: 'nothing was begun' });
}

/**
 * The events as those of a session of its own: with its id and name, and receipt keys that follow from them. Its
 * randomness stays that of the first of which it is a copy. A log that no kernel of ours began behaves as a new session.
 */
export function asOwn(
  events: readonly SessionEvent[],
  { id, name, commandId }: { id: string; name: string; commandId: string },
): SessionEvent[] {
  const keys = new Map<number, string>();
  return events.map((event) => {
    switch (event.type) {
      case 'session':
        return begun(event, { id, name, commandId });
      case 'llm_req': {
        const { kind, effect, payload } = openedBy(event);
        const receiptKey = kindOf(kind).receiptKey!(id, effect, payload);
        keys.set(effect, receiptKey);
        return { ...event, receiptKey };
      }
      case 'llm_resp':
        return { ...event, receiptKey: keys.get(event.effect ?? -1) ?? '' };
      case 'fork': {
        const asked = event.asked?.flatMap(({ effect }) => {
          const receiptKey = keys.get(effect);
          return receiptKey === undefined ? [] : [{ effect, receiptKey }];
        });
        return { ...event, copied: true, asked };
      }
      default:
        return event;
    }
  });
}

function begun(
  event: EventOf<'session'>,
  own: { id: string; name: string; commandId: string },
): EventOf<'session'> {
  const { origin = event.id, kernel } = event;
  const version = kernel === undefined ? BEHAVIOUR_VERSION : event.version;
  return { ...event, ...own, seq: 0, origin, version };
}
