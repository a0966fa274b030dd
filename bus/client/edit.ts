/** The live half of an edit: what a recording could not answer is asked, and the cells behind it run again. */
import { isKeptAnswer } from '../effect-events.ts';
import type { EditReply, EditRequest } from '../operations/lineage.ts';
import type { ExecuteReply } from '../operations/sessions.ts';
import type { SessionEvent } from '../types.ts';
import type { ExecuteOptions } from './options.ts';

/** What is another: one of them. */
export type EditChange = Pick<EditRequest, 'code' | 'answer' | 'timeMs' | 'seed'>;

export interface Edited extends Omit<EditReply, 'rest'> {
  /** Cells that ran again live. */
  cells: number;
  /** Cells of the other session have not run again. */
  left: boolean;
}

/** What of the client it needs. */
interface Sessions {
  execute(session: string, code: string, options: ExecuteOptions): Promise<ExecuteReply>;
  events(
    session: string,
    from: number,
    to: number | undefined,
    options: { signal?: AbortSignal },
  ): AsyncIterable<SessionEvent>;
}

interface Rest {
  session: string;
  rest: EditReply['rest'];
  signal?: AbortSignal;
  onCell?: (code: string) => void;
}

/** Runs what is left of the other session's cells, one after the other, and counts what was asked. */
export async function rerunRest(
  client: Sessions,
  { session, rest, signal, onCell }: Rest,
  edited: Edited,
): Promise<Edited> {
  let cells = 0;
  const options = { waitMs: Number.POSITIVE_INFINITY, signal };
  if (rest) {
    for await (const event of client.events(session, rest.from, rest.to, { signal })) {
      if (event.type !== 'input') continue;
      onCell?.(event.code);
      const { commandId = `seq-${event.seq}`, timeoutMs } = event;
      const reply = await client.execute(edited.session, event.code, { ...options, commandId, timeoutMs });
      cells += 1;
      if (reply.shouldExit) break;
    }
  }
  signal?.throwIfAborted();
  let asked = 0;
  let seq = edited.seq;
  for await (const event of client.events(edited.session, edited.seq + 1, undefined, { signal })) {
    seq = event.seq ?? 0;
    if (isKeptAnswer(event)) asked += 1;
  }
  return { ...edited, asked, seq, cells, left: false };
}
