/** Ids for commands: with the time in them, so that a session knows of an old one that it is old. */
import { randomBytes } from 'node:crypto';
import { commandIdAt } from '../command-ids.ts';
import { type Clock, systemClock } from '../port.ts';

/** An id that nobody else has. */
export function newCommandId(clock: Pick<Clock, 'now'> = systemClock): string {
  return commandIdAt(clock.now(), randomBytes(10));
}
