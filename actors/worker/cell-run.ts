/**
 * A cell of the past, run once more with looks in it, on a kernel of its own that stands where the session stood then.
 * What the cell gives is compared with the log as in any replay, but for stacks and heaps.
 */
import { eventsOf } from '../../bus/chain.ts';
import { endsCell } from '../../bus/command-events.ts';
import { hasCode, RepriseError } from '../../bus/errors.ts';
import { type CellRun, HITS_DEFAULT, HITS_MAX } from '../../bus/operations/probing.ts';
import type { EventOf, SessionEvent } from '../../bus/types.ts';
import { type CellPlace, placesOf } from '../kernel/compiler/probing.ts';
import { type ParsedCell, parseCell } from '../kernel/compiler/source.ts';
import { DEFAULT_TIMEOUT_MS } from '../kernel/limits.ts';
import type { KernelStep, Probed, Probing, Turn } from '../kernel/port.ts';
import { applyEvent, seqOf } from '../timeline/fold.ts';
import type { Loaded } from '../timeline/loading.ts';
import { type ReplayKernel, replayEvents } from '../timeline/replay.ts';
import { KernelSeat } from '../timeline/seat.ts';
import { divergenceError, noSession, Timeline, type TimelinePorts } from '../timeline/timeline.ts';
import { hungTurn } from '../timeline/turn.ts';
import { wholeCommits } from '../timeline/whole-commits.ts';

/** A cell as the log has it. */
export interface RecordedCell {
  session: string;
  number: number;
  /** As it was sent. */
  code: string;
  /** As it is read. */
  parsed: ParsedCell;
  /** Where it can be looked at. */
  places: CellPlace[];
  /** It, or a callback while it ran, was stopped from outside. */
  struck: CellRun['struck'];
  readonly events: readonly SessionEvent[];
  /** Index of its input. */
  readonly begins: number;
}

/** What came of it. */
export interface Looked {
  run: CellRun;
  probed: Probed;
}

/** A turn that was undone ends what can be run. Thrown, for a replay goes on otherwise. */
class Undone extends Error {}

/** The cell that hung inside a built-in function would hang again. */
const HUNG = 'WatchdogError';

/**
 * Budget of a turn that is looked at, ms, beside some times what the cell had: on a slower machine it takes longer, but an
 * expression that hangs in a built-in function must not have a thread for ever.
 */
const LOOKED_MS = 60_000;
const SLOWER = 4;

/**
 * Finds a cell in a session's log, as far as that is whole.
 * @throws RepriseError NOT_FOUND (no such session, no such cell, none that could run), CORRUPT, CHAIN_BROKEN
 */
export async function findCell(
  session: string,
  number: number,
  { store, log, kernel }: TimelinePorts,
): Promise<RecordedCell> {
  const { commits } = await wholeCommits(session, store);
  if (commits.length === 0) {
    await new Timeline({ store, log, kernel }).load(session, { heapless: true });
    throw noSession(session);
  }
  const events = commits.flatMap(eventsOf);
  const newest = { cell: 0, index: -1 };
  for (const [index, event] of events.entries()) {
    if (event.type !== 'input') continue;
    newest.cell = event.cell ?? newest.cell + 1;
    newest.index = index;
    if (newest.cell === number) break;
  }
  if (newest.cell !== number || newest.index < 0) {
    throw new RepriseError(
      'NOT_FOUND',
      `session ${JSON.stringify(session)} has no cell ${number}; its newest is ${newest.cell}`,
      { hint: '`reprise log` shows the cells with their numbers' },
    );
  }
  const { code } = events[newest.index] as EventOf<'input'>;
  const ends = endOf(events, newest.index);
  const first = events[0]!;
  const version = first.type === 'session' ? first.version : 1;
  const read = readCell(number, { code, version, end: events[ends]! });
  const strike = events
    .slice(newest.index, ends + 1)
    .find((event): event is EventOf<'interrupt'> => event.type === 'interrupt' && event.fuel >= 0);
  return { session, number, code, ...read, struck: strike?.reason, events, begins: newest.index };
}

/**
 * @param end of the cell, in the log
 * @throws RepriseError NOT_FOUND when it is no JavaScript, BAD_REQUEST when this thread has not the stack to read it
 */
function readCell(
  number: number,
  { code, version, end }: { code: string; version: number; end: SessionEvent },
): Pick<RecordedCell, 'parsed' | 'places'> {
  try {
    const parsed = parseCell(code, version);
    return { parsed, places: placesOf(parsed) };
  } catch (cause) {
    if (end.type === 'error' && end.name === 'SyntaxError') {
      throw new RepriseError('NOT_FOUND', `nothing of cell ${number} ever ran: ${end.message}`, {
        hint: '`reprise log` shows the cells',
      });
    }
    throw new RepriseError('BAD_REQUEST', `cell ${number} is nested too deeply to be looked into`, {
      cause,
      hint: '`reprise at` shows the session before it and after it',
    });
  }
}

/** Index of the event that ends the cell that an input begins; that of the last event, when none does. */
function endOf(events: readonly SessionEvent[], begins: number): number {
  for (let index = begins + 1; index < events.length; index++) {
    const event = events[index]!;
    if (endsCell(event) || event.type === 'closed') return index;
    if (event.type === 'input') return index - 1;
  }
  return events.length - 1;
}

/** Hits that a request wants. @throws RepriseError BAD_REQUEST */
export function limitOf(limit = HITS_DEFAULT): number {
  if (limit >= 1 && limit <= HITS_MAX) return limit;
  throw new RepriseError('BAD_REQUEST', `the limit is ${limit}; it must be from 1 to ${HITS_MAX}`);
}

/**
 * Runs a cell once more.
 * @throws RepriseError DIVERGED when what comes before the cell is not what the log says; what storage and the kernel throw
 */
export async function runLooked(cell: RecordedCell, probing: Probing, ports: TimelinePorts): Promise<Looked> {
  const { session, number, events, begins, struck } = cell;
  const input = seqOf(events[begins]!);
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = events[begins] as EventOf<'input'>;
  const seat = new KernelSeat(ports.kernel, `${session} cell ${number}`);
  const kernel = new LookedKernel(seat, input, { probing, timeoutMs: LOOKED_MS + SLOWER * timeoutMs });
  const run: CellRun = { session, cell: number, more: 0, struck };
  try {
    const { fold } = await standBefore(input, session, seat, ports);
    const last = endOf(events, begins);
    const replayed = events.filter((event, index) => index <= last && seqOf(event) > fold.seq);
    let state = fold;
    for (const event of replayed) state = applyEvent(state, event);
    const isRunning = state.running !== null;
    const rules = { states: false, stacks: false };
    try {
      const result = await replayEvents(kernel, fold, replayed, rules);
      const { divergence, leftover, open } = result;
      if (divergence && divergence.seq < input) throw divergenceError(session, divergence);
      if (divergence) run.divergence = divergence;
      else if (!isRunning && leftover.length > 0) {
        const actual = JSON.stringify(leftover[0]);
        run.divergence = {
          seq: seqOf(events[last]!),
          kind: 'missing',
          expected: 'the end of the cell',
          actual,
        };
      }
      if (isRunning || open) run.unfinished = true;
    } catch (thrown) {
      if (hungTurn(thrown)) throw hungLook(number);
      if (!(thrown instanceof Undone)) throw thrown;
    }
    if (kernel.undone !== null) run.undone = kernel.undone;
    run.more = kernel.probed.more;
    return { run, probed: kernel.probed };
  } finally {
    seat.leave();
  }
}

function hungLook(number: number): RepriseError {
  return new RepriseError(
    'UNAVAILABLE',
    `cell ${number} hung in a built-in function while it was looked at`,
    {
      retryable: false,
      hint: 'nothing was changed; leave out an expression that may take long',
    },
  );
}

/** Brings the kernel to a checkpoint before an event. The event may be the first of all that are executed. */
async function standBefore(
  seq: number,
  session: string,
  seat: KernelSeat,
  ports: TimelinePorts,
): Promise<Loaded> {
  const timeline = new Timeline(ports);
  const loaded = await timeline.load(session, { at: seq - 1 });
  if (!loaded.image) return loaded;
  try {
    await seat.open({ image: loaded.image.bytes, stateId: loaded.image.stateId });
    return loaded;
  } catch (error) {
    if (!hasCode(error, 'CORRUPT')) throw error;
    return timeline.load(session, { at: seq - 1, fromStart: true });
  }
}

/** A kernel that looks at what runs from one step on, and gives what it gives without the looks. */
class LookedKernel implements ReplayKernel {
  readonly probed: Probed = { hits: [], more: 0 };
  /** Name of the error that undid a turn of the cell. */
  undone: string | null = null;
  readonly #seat: KernelSeat;
  readonly #from: number;
  readonly #probing: Probing;
  readonly #timeoutMs: number;

  /**
   * @param from seq of the first step that is looked at
   * @param looking how, and the budget of such a step, ms
   */
  constructor(seat: KernelSeat, from: number, looking: { probing: Probing; timeoutMs: number }) {
    this.#seat = seat;
    this.#from = from;
    this.#probing = looking.probing;
    this.#timeoutMs = looking.timeoutMs;
  }

  boot(event: EventOf<'session'>): Promise<void> {
    return this.#seat.boot(event);
  }

  stateId(): Promise<string> {
    return this.#seat.stateId();
  }

  async apply(step: KernelStep): Promise<Turn> {
    return step.seq < this.#from ? this.#seat.apply(step) : this.#look(step);
  }

  async applyAll(steps: readonly KernelStep[]): Promise<Turn[]> {
    const before = steps.filter(({ seq }) => seq < this.#from);
    const turns = before.length > 0 ? await this.#seat.applyAll(before) : [];
    for (const step of steps.slice(before.length)) turns.push(await this.#look(step));
    return turns;
  }

  async #look(step: KernelStep): Promise<Turn> {
    const { hits } = this.probed;
    const probing = { ...this.#probing, limit: this.#probing.limit - hits.length };
    const { failed, ...other } = step;
    if (failed) this.undone = failed.name;
    // What was undone ran up to where it failed, and does so again.
    const timeoutMs = this.#timeoutMs;
    const given = failed?.name === HUNG ? step : { ...(other as KernelStep), probing, timeoutMs };
    const { probed, ...turn } = await this.#seat.apply(given);
    if (probed) {
      hits.push(...probed.hits);
      this.probed.more += probed.more;
      this.probed.refused ??= probed.refused;
    }
    if (failed) throw new Undone();
    return turn;
  }
}
