/** Asks everybody on the bus who they are, and answers such questions. */
import { decode, encode } from '../../bus/codec.ts';
import type { Bus, BusMessage } from '../../bus/port.ts';
import type { PresenceReply } from '../../bus/protocol.ts';
import { serve } from '../../bus/serving.ts';
import type { Subjects } from '../../bus/subjects.ts';

/**
 * Answers to one presence question.
 * @param enough called after each answer: true ends the wait early
 * @param timeoutMs how long to wait for answers otherwise
 */
export function askWho(
  bus: Bus,
  subjects: Subjects,
  timeoutMs: number,
  enough: (answers: PresenceReply[]) => boolean = () => false,
): Promise<PresenceReply[]> {
  return new Promise((resolve, reject) => {
    const answers: PresenceReply[] = [];
    const done = () => {
      clearTimeout(timer);
      inbox.unsubscribe();
      resolve(answers);
    };
    const inbox = bus.inbox((message) => {
      const answer = presenceOf(message.data);
      if (!answer) return;
      answers.push(answer);
      if (enough(answers)) done();
    }, done);
    const timer = setTimeout(done, timeoutMs);
    try {
      bus.publish(subjects.who, encode({}), { reply: inbox.subject });
    } catch (error) {
      clearTimeout(timer);
      inbox.unsubscribe();
      reject(error);
    }
  });
}

/** Others may speak nonsense on the bus: whatever is no presence answer is ignored. */
function presenceOf(data: Uint8Array): PresenceReply | null {
  try {
    const value = decode(data) as Partial<PresenceReply> & { ok?: unknown };
    const whole = typeof value?.role === 'string' && typeof value.pid === 'number' && value.process;
    return whole && value.ok !== false ? (value as PresenceReply) : null;
  } catch {
    return null;
  }
}

/** Answers presence questions and pings for as long as the bus lives. */
export function announce(bus: Bus, subjects: Subjects, describe: () => PresenceReply): void {
  const answer = (message: BusMessage) => void message.respond(encode({ ok: true, ...describe() }));
  serve(bus, subjects.who, answer);
  serve(bus, subjects.ping(describe().process), answer);
}
