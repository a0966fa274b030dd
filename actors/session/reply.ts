/** The reply to a command, put together from its events: live and repeated replies come from the same place. */
import { RepriseError } from '../../bus/errors.ts';
import type { ExecuteReply } from '../../bus/protocol.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { seqOf } from './fold.ts';

export interface ReplyFacts {
  session: string;
  commandId: string;
  worker: string;
  repeated: boolean;
}

/**
 * Characters of console output in one reply. A turn's output is bounded by the kernel; a cell of many turns may
 * print more than any message takes.
 */
export const REPLY_CONSOLE_CHARS_MAX = 2_000_000;
const CUT = '… the rest is in the log\n';

/**
 * @param events the command's events, its input first, its end last; other sessions' never.
 * @throws RepriseError INTERNAL when the cell has not ended.
 */
export function replyFromEvents(events: readonly SessionEvent[], facts: ReplyFacts): ExecuteReply {
  const reply: ExecuteReply = {
    ...facts,
    seq: [-1, -1],
    output: '',
    shouldExit: false,
    stdout: '',
    stderr: '',
    error: null,
    durationMs: 0,
  };
  let ended = false;
  let room = REPLY_CONSOLE_CHARS_MAX;
  const print = (stream: 'stdout' | 'stderr', text: string) => {
    if (room < 0) return;
    reply[stream] += text.length <= room ? text : text.slice(0, room) + CUT;
    room -= text.length;
  };
  for (const event of events) {
    // A session's first command is preceded by the event that begins the session: that is not its own.
    if (event.type === 'input') reply.seq[0] = event.seq;
    if (event.type === 'output' && event.stream === 'stdout') print('stdout', `${event.value}\n`);
    else if (event.type === 'output' && event.stream === 'stderr') print('stderr', `${event.value}\n`);
    else if (event.type === 'output') {
      reply.output = event.value;
      ended = true;
    } else if (event.type === 'error') {
      const { name = 'Error', message } = event;
      reply.error = { name, message, stack: event.stack ?? `${name}: ${message}` };
      ended = true;
    }
    if (event.type === 'output' || event.type === 'error') {
      reply.shouldExit ||= event.shouldExit ?? false;
      reply.durationMs = event.durationMs ?? reply.durationMs;
    }
    reply.seq[1] = seqOf(event);
    // What stands behind the end (the session's own, after exit()) is not the command's: a retry finds the same.
    if (ended) break;
  }
  if (!ended) throw new RepriseError('INTERNAL', `command ${facts.commandId} has not ended`);
  return reply;
}
