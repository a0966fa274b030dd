/** What must hold of a session's log after any disaster. */
import assert from 'node:assert/strict';
import type { SessionClient } from '../../bus/client/client.ts';
import type { EventOf, SessionEvent } from '../../bus/types.ts';

export async function eventsOf(client: SessionClient, session: string): Promise<SessionEvent[]> {
  const events: SessionEvent[] = [];
  for await (const event of client.events(session)) events.push(event);
  return events;
}

/** No gap, no command twice, and re-execution in a fresh kernel gives the same. */
export async function assertWholeHistory(client: SessionClient, session: string): Promise<SessionEvent[]> {
  const events = await eventsOf(client, session);
  for (const [index, event] of events.entries()) {
    assert.equal(event.type === 'session' ? 0 : event.seq, index, `seq of event ${index}`);
  }
  const ids = events
    .filter((event): event is EventOf<'input'> => event.type === 'input')
    .map(({ commandId }) => commandId);
  assert.equal(new Set(ids).size, ids.length, 'a command ran twice');
  const replay = await client.replay(session);
  assert.deepEqual([replay.verified, replay.divergence], [true, undefined]);
  assert.equal(replay.events >= events.length, true);
  return events;
}

/** The commands of a session, in the order in which they ran. */
export function commandsOf(events: readonly SessionEvent[]): string[] {
  return events.flatMap((event) => (event.type === 'input' ? [event.commandId ?? ''] : []));
}
