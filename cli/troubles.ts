/** What a command that starts nothing asks of a running system: which sessions are in trouble. */
import type { Trouble } from '../bus/operations/catalogue.ts';
import { connectSessions } from './connection.ts';
import type { Context } from './context.ts';

/** Sessions that cannot be restored or read; none when nobody can tell. */
export async function troublesOf({ system }: Context): Promise<Trouble[]> {
  try {
    const sessions = await connectSessions(system);
    return (await sessions.overview().finally(() => sessions.disconnect())).troubles;
  } catch {
    return []; // what is wrong with the system itself is told elsewhere
  }
}
