/**
 * Answering requests. Whoever may ask could name any subject for the answer, and the answer would be sent with the
 * rights of the one who answers: so only what has an inbox for its answer is a request. An answer that was led to a
 * subject of requests has none, and nothing is done about it.
 */
import type { Bus, BusMessage, Subscription } from './port.ts';

/** Root of all inboxes. */
export const INBOX = '_INBOX';
/** What a server puts in the place of an inbox of another account; clients cannot name it. */
export const FOREIGN_INBOX = '_R_';

/** Whether answers may go to a subject. */
export function isInbox(subject: string | undefined): boolean {
  return (
    subject !== undefined && (subject.startsWith(`${INBOX}.`) || subject.startsWith(`${FOREIGN_INBOX}.`))
  );
}

/**
 * Subscribes to requests; what is no request is left alone.
 * @throws RepriseError as `Bus.subscribe`
 */
export function serve(
  bus: Bus,
  subject: string,
  handler: (message: BusMessage) => void | Promise<void>,
  options?: { queue?: string },
): Subscription {
  return bus.subscribe(
    subject,
    (message) => (isInbox(message.reply) ? handler(message) : undefined),
    options,
  );
}
