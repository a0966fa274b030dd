/** The reply to a command, put together from its events: live and repeated replies come from the same place. */
import { endsCell } from '../../bus/command-events.ts';
import { RepriseError } from '../../bus/errors.ts';
import { limitsOf, PAYLOAD_BYTES_OURS } from '../../bus/limits.ts';
import type { ExecuteReply } from '../../bus/operations/sessions.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { seqOf } from '../timeline/fold.ts';

export interface ReplyFacts {
  session: string;
  commandId: string;
  worker: string;
  repeated: boolean;
}

/** Stands at the end of what no message takes. */
const CUT = '… the rest is in the log\n';
/** Names, numbers and the frame of a reply; a name has 512 characters at most, as has a command id. */
const FRAME_BYTES = 5 * 1024;

/**
 * @param events the command's events, its input first, its end last; other sessions' never.
 * @param bytesMax what a message takes: the end of a cell comes first, then its output as far as there is room. A turn's
 * output is bounded; a cell of many turns may print more than any message takes.
 * @throws RepriseError INTERNAL when the cell has not ended.
 */
export function replyFromEvents(
  events: readonly SessionEvent[],
  facts: ReplyFacts,
  bytesMax = limitsOf(PAYLOAD_BYTES_OURS).contentBytes,
): ExecuteReply {
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
  const room = new Room(bytesMax - FRAME_BYTES);
  const end = events.find(endsCell);
  if (end?.type === 'error') {
    const { name = 'Error', message } = end;
    const stack = end.stack ?? `${name}: ${message}`;
    reply.error = { name, message: room.take(message), stack: room.take(stack) };
  } else if (end?.type === 'output') reply.output = room.take(end.value);
  for (const event of events) {
    // A session's first command is preceded by the event that begins the session: that is not its own.
    if (event.type === 'input') reply.seq[0] = event.seq;
    if (endsCell(event)) ended = true;
    else if (event.type === 'output') {
      const stream = event.stream === 'stderr' ? 'stderr' : 'stdout';
      reply[stream] += room.take(`${event.value}\n`);
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

/** What runs in a session. */
export type Running = 'cell' | 'callback' | 'nothing';

/** What a command waited for, and how that is stopped: its own interrupt takes back the command alone. */
const WAITED_FOR: Record<Running, string> = {
  cell: ' Another cell runs before it: `reprise interrupt <session>` (in a repl `.interrupt`) stops that one.',
  callback:
    " A timer's callback computes before it: `reprise interrupt <session>` (in a repl `.interrupt`) stops that.",
  nothing: '',
};

/** The reply to a command that was taken back before it began: the log has nothing of it. */
export function withdrawnReply(
  facts: Omit<ReplyFacts, 'repeated'>,
  seq: number,
  running: Running,
): ExecuteReply {
  const name = 'InterruptedError';
  const message = `The cell was interrupted before it began; nothing of it ran.${WAITED_FOR[running]}`;
  const error = { name, message, stack: `${name}: ${message}` };
  const nothing = { output: '', stdout: '', stderr: '', shouldExit: false, durationMs: 0, repeated: false };
  return { ...facts, ...nothing, seq: [seq, seq], error };
}

/** What is left of a message, bytes. */
class Room {
  #bytes: number;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** As much of the text as there is room for, with a note where it was cut; nothing any more after that. */
  take(text: string): string {
    if (this.#bytes <= 0) return '';
    const bytes = Buffer.byteLength(text);
    if (bytes <= this.#bytes) {
      this.#bytes -= bytes;
      return text;
    }
    const fits = Buffer.from(text).subarray(0, Math.max(0, this.#bytes - Buffer.byteLength(CUT)));
    this.#bytes = 0;
    return `${fits.toString().replace(/\ufffd+$/, '')}${CUT}`;
  }
}
