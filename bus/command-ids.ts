/**
 * Ids of commands that carry the time at which they were made (UUIDs of version 7): so of one that is not among the
 * remembered ones it is known whether it may be older than they are. Pure.
 */

const TIMED = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** When the id was made, ms since the epoch; null when it does not say. */
export function timeOfCommandId(commandId: string): number | null {
  const parts = TIMED.exec(commandId);
  return parts ? Number.parseInt(parts[1]! + parts[2]!, 16) : null;
}

/** An id for a command that is made now. @param random 10 random bytes */
export function commandIdAt(nowMs: number, random: Uint8Array): string {
  const time = Math.floor(nowMs).toString(16).padStart(12, '0');
  const hex = Buffer.from(random).toString('hex');
  const variant = '89ab'[random[2]! & 3];
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-7${hex.slice(0, 3)}-${variant}${hex.slice(5, 8)}-${hex.slice(8, 20)}`;
}
