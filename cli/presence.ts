/** Who is there: one question, as many answers as there are processes. */
import type { RepriseError } from '../bus/errors.ts';
import type { Bus, Clock } from '../bus/port.ts';
import type { PresenceReply } from '../bus/protocol.ts';
import { parseReply, presenceReplySchema } from '../bus/reply-schemas.ts';
import type { Subjects } from '../bus/subjects.ts';

export interface GatherTiming {
  /** End of the question when nobody has answered by then. */
  limitMs: number;
  /** End of the question this long after the newest answer. */
  quietMs: number;
}

/**
 * Asks every process and collects the answers; nobody there gives an empty list.
 * @param enough ends the question early, at the first answer it is true for
 * @throws RepriseError DISCONNECTED
 */
export function gatherPresence(
  bus: Bus,
  subjects: Subjects,
  clock: Clock,
  timing: GatherTiming,
  enough: (reply: PresenceReply) => boolean = () => false,
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
          reply = parseReply(presenceReplySchema, message.data);
        } catch {
          return; // whatever it was, it is not a process of ours
        }
        found.set(reply.process, reply);
        if (enough(reply)) return finish();
        timer.cancel();
        timer = clock.setTimer(finish, timing.quietMs);
      },
      finish,
      fail,
    );
    let timer = clock.setTimer(finish, timing.limitMs);
    try {
      bus.publish(subjects.who, new Uint8Array(0), { reply: inbox.subject });
    } catch (thrown) {
      fail(thrown as RepriseError);
    }
  });
}
