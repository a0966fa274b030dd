/** What clients do in a simulation, and what they remember of it for the checker. */

import type { SessionClient } from '../../bus/client/client.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import type { ExecuteReply, InspectReply } from '../../bus/operations/sessions.ts';
import type { Clock } from '../../bus/port.ts';
import { between, pick, type Random, weighted } from './random.ts';
import type { Op } from './toy-heap.ts';

export interface Execution {
  session: string;
  commandId: string;
  code: string;
  sentAt: number;
  /** Sends of it, the first included. */
  sends: number;
  reply?: ExecuteReply;
  doneAt?: number;
  error?: RepriseError;
}

export interface Memories {
  executions: Execution[];
  /** Replies to commands that were sent once more. */
  repeats: { execution: Execution; reply: ExecuteReply }[];
  inspections: { session: string; reply: InspectReply }[];
  /** Annotations that were acknowledged. */
  notes: { session: string; commandId: string; seq: number }[];
  /** Failures that no client should see. */
  surprises: string[];
  /** Sessions that somebody closed, or whose cell called exit(). */
  closed: Set<string>;
}

export const makeMemories = (): Memories => ({
  executions: [],
  repeats: [],
  inspections: [],
  notes: [],
  surprises: [],
  closed: new Set(),
});

/** No more are forked. */
const SESSIONS_MAX = 14;

/** What a client may be told: that a session is closed or was never there; under faults, that time is over. */
const EXPECTED = ['CLOSED', 'NOT_FOUND'] as const;

export interface ClientOptions {
  client: SessionClient;
  random: Random;
  clock: Clock;
  /** Grows by forks. */
  sessions: string[];
  memories: Memories;
  id: string;
  /** A cell that does this. */
  cell: (ops: readonly Op[]) => string;
  /** Nothing fails. */
  calm: boolean;
  isOver: () => boolean;
}

/** One client: one thing after the other until it is over. */
export async function runClient(options: ClientOptions): Promise<void> {
  const { client, random, clock, sessions, memories, id, isOver } = options;
  for (let count = 0; !isOver(); count++) {
    const session = pick(random, sessions);
    const what = weighted(random, {
      execute: 12,
      again: 2,
      twice: 2,
      interrupt: 2,
      inspect: 3,
      complete: 1,
      save: 1,
      annotate: 2,
      close: session.startsWith('mortal') ? 0.5 : 0,
      remove: session.startsWith('brief') ? 1 : 0,
      fork: sessions.length < SESSIONS_MAX ? 2 : 0,
      pause: 4,
    });
    const commandId = `${id}-${count}`;
    try {
      if (what === 'execute') await execute(options, session, commandId);
      else if (what === 'twice') {
        // Without waiting for the first: the second joins it.
        await Promise.all([
          execute(options, session, commandId),
          repeat(options, () => memories.executions.findLast((one) => one.commandId === commandId), memories),
        ]);
      } else if (what === 'again') {
        await repeat(options, () => memories.executions[between(random, 0, memories.executions.length)]);
      } else if (what === 'interrupt') await client.interrupt(session);
      else if (what === 'inspect') {
        memories.inspections.push({ session, reply: await client.inspect(session) });
      } else if (what === 'complete') await client.complete(session, 'abc', 3);
      else if (what === 'save') await client.forceSave(session);
      else if (what === 'annotate') {
        const { seq } = await client.annotate(session, { label: commandId }, { commandId });
        memories.notes.push({ session, commandId, seq });
      } else if (what === 'close') {
        memories.closed.add(session);
        await client.closeSession(session);
      } else if (what === 'fork') await fork(options, session, `fork-${commandId}`);
      else if (what === 'remove') await client.deleteSession(session);
      else await new Promise<void>((resolve) => clock.setTimer(resolve, between(random, 1, 200)));
    } catch (thrown) {
      const isExpected = hasCode(thrown, ...EXPECTED) || (!options.calm && hasCode(thrown, 'TIMEOUT'));
      if (!isExpected) memories.surprises.push(`${what} of ${session}: ${said(thrown)}`);
    }
  }
}

/** Somewhere in the past of a session, which may be removed, closed or amid anything. */
async function fork(
  { client, random, sessions, memories }: ClientOptions,
  session: string,
  name: string,
): Promise<void> {
  const known = await client.getSession(session);
  if (!known) return;
  // A cell of the parent that ends its session ends the fork's, too.
  if (session.startsWith('mortal') || memories.closed.has(session)) memories.closed.add(name);
  const seq = random() < 0.3 ? undefined : between(random, 0, known.eventCount);
  try {
    await client.fork(session, name, seq, { commandId: name, waitMs: 35_000 });
  } catch (thrown) {
    // Amid a turn that was undone, or at the end.
    if (hasCode(thrown, 'BAD_REQUEST')) return;
    throw thrown;
  }
  sessions.push(name);
}

const said = (thrown: unknown) => {
  const { code, message } = RepriseError.from(thrown);
  return `${code} ${message}`;
};

async function execute(options: ClientOptions, session: string, commandId: string): Promise<void> {
  const { client, random, clock, memories } = options;
  const ops = randomOps(random, session);
  if (ops.some(([name]) => name === 'exit' || name === 'exitLater')) memories.closed.add(session);
  const code = options.cell(ops);
  const execution: Execution = { session, commandId, code, sentAt: clock.now(), sends: 1 };
  memories.executions.push(execution);
  try {
    // One that goes on until it is struck is struck soon.
    const isHurried = random() < 0.1 || ops.some(([name]) => name === 'fragile' || name === 'hang');
    const timeoutMs = isHurried ? between(random, 20, 200) : undefined;
    execution.reply = await client.execute(session, code, { commandId, timeoutMs, waitMs: 35_000 });
    execution.doneAt = clock.now();
  } catch (thrown) {
    execution.error = RepriseError.from(thrown);
    throw thrown;
  }
}

async function repeat({ client }: ClientOptions, which: () => Execution | undefined, memories?: Memories) {
  const execution = which();
  if (!execution || execution.session.startsWith('brief')) return;
  execution.sends += 1;
  const { session, code, commandId } = execution;
  const reply = await client.execute(session, code, { commandId, waitMs: 35_000 });
  memories?.repeats.push({ execution, reply });
}

function randomOps(random: Random, session: string): Op[] {
  const ops: Op[] = [];
  for (let count = between(random, 0, 4); count >= 0; count--) ops.push(randomOp(random, session));
  return ops;
}

function randomOp(random: Random, session: string): Op {
  const kind = weighted(random, {
    inc: 12,
    print: 4,
    sleep: 3,
    llm: 3,
    both: 1,
    later: 2,
    compute: 3,
    throw: 1,
    exit: session.startsWith('mortal') ? 0.3 : 0,
    exitLater: session.startsWith('mortal') ? 0.5 : 0,
    fragile: 1,
    flood: 0.15,
    recite: 0.15,
    poison: 0.4,
    hang: 0.1,
  });
  const ms = between(random, 0, random() < 0.1 ? 2_000 : 80);
  switch (kind) {
    case 'print':
      return ['print', `p${ms}`];
    case 'sleep':
      return ['sleep', ms];
    case 'llm':
      return ['llm', `q${ms}`, ms];
    case 'both':
      return ['both', ms, `b${ms}`];
    case 'later':
      return ['later', ms];
    case 'compute':
      return ['compute', ms + 1];
    case 'exitLater':
      return ['exitLater', ms];
    case 'fragile':
      return ['fragile', ms + 1];
    case 'flood':
      return random() < 0.5 ? ['flood', 8_000, 0] : ['flood', 3, 150_000];
    case 'recite':
      return ['recite', 200_000];
    case 'throw':
      return ['throw', `t${ms}`];
    default:
      return [kind];
  }
}
