/** Who is there: one question, as many answers as there are processes; and how a process answers. */
import { encode } from './codec.ts';
import type { RepriseError } from './errors.ts';
import { PRESENCE, type PresenceReply } from './operations/presence.ts';
import type { Bus, BusMessage, Clock, Subscription } from './port.ts';
import { serve } from './serving.ts';
import type { Subjects } from './subjects.ts';
import { parseReply } from './wire.ts';

export interface GatherTiming {
  /** End of the question when nobody has answered by then. */
  limitMs: number;
  /** End of the question this long after the newest answer. */
  quietMs: number;
}

/**
 * Asks every process and collects the answers; nobody there gives an empty list.
 * @param enough called after each answer: true ends the question early
 * @throws RepriseError DISCONNECTED
 */
export function gatherPresence(
  bus: Bus,
  subjects: Subjects,
  clock: Clock,
  timing: GatherTiming,
  enough: (found: PresenceReply[]) => boolean = () => false,
): Promise<PresenceReply[]> {
  return new Promise((resolve, reject) => {
    const found = new Map<string, PresenceReply>();
    const settle = () => {
      timer.cancel();
      inbox.unsubscribe();
    };
    const finish = () => {
      settle();
      resolve([...found.values()]);
    };
    const fail = (error: RepriseError) => {
      settle();
      reject(error);
    };
    const inbox = bus.inbox(
      (message) => {
        let reply: PresenceReply;
        try {
          reply = parseReply(PRESENCE.who.reply, message.data);
        } catch {
          return; // whatever it was, it is not a process of ours
        }
        found.set(reply.process, reply);
        if (enough([...found.values()])) return finish();
        timer.cancel();
        timer = clock.setTimer(finish, timing.quietMs);
      },
      finish,
      fail,
    );
    let timer = clock.setTimer(finish, timing.limitMs);
    try {
      bus.publish(subjects.who, encode({}), { reply: inbox.subject });
    } catch (thrown) {
      fail(thrown as RepriseError);
    }
  });
}

/** Answers presence questions and pings for as long as the bus lives, or the subscriptions. */
export function announce(bus: Bus, subjects: Subjects, describe: () => PresenceReply): Subscription[] {
  const answer = (message: BusMessage) => void message.respond(encode({ ok: true, ...describe() }));
  return [serve(bus, subjects.ping(describe().process), answer), serve(bus, subjects.who, answer)];
}
