/**
 * All that can be proven of a session: its log is whole, its first event leads to all others, and so does what is
 * stored of every checkpoint.
 *
 * From a checkpoint on the log is executed up to the next one, where the heap must be the one that is recorded: that
 * is the heap with which the next one begins. So each tail is proven to the end of the log, at the price of one
 * execution for all of them.
 */

import { lastSeqOf } from '../../bus/chain.ts';
import { decode, encodeCanonical, sha256 } from '../../bus/codec.ts';
import { hasCode } from '../../bus/errors.ts';
import type { Divergence, VerifyReply, VerifyRequest } from '../../bus/operations/looks.ts';
import type { SessionEvent, StoredCommit } from '../../bus/types.ts';
import { makeBreath } from '../timeline/breath.ts';
import { applyCommit, emptyFold } from '../timeline/fold.ts';
import { encodeFold } from '../timeline/fold-codec.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';
import { foldAt, foldBytes } from '../timeline/loading.ts';
import { type ReplayKernel, type ReplayOptions, replayEvents, watched } from '../timeline/replay.ts';
import { KernelSeat } from '../timeline/seat.ts';
import { noSession, Timeline, type TimelinePorts, wroteAll } from '../timeline/timeline.ts';
import { placeInCode } from './code-place.ts';
import { chainBreak, withPages } from './verification.ts';

/** Of this many turns a schedule moves the session after one, on average. */
const TURNS_A_MOVE = 4;

/** What a part of the verification found. */
interface Finding {
  divergence: Divergence;
  /** seq of the checkpoint from which it was found. */
  from?: number;
}

/**
 * Verifies a session beside it, never in it.
 * @throws RepriseError NOT_FOUND, CORRUPT (a large value), and what storage throws. Divergences are results.
 */
export async function verifyFully(
  { session, schedule, known }: VerifyRequest,
  ports: TimelinePorts,
): Promise<VerifyReply> {
  const started = performance.now();
  const { kernel, store } = ports;
  const reply: VerifyReply = {
    session,
    verified: true,
    seq: known?.seq ?? -1,
    hash: known?.hash ?? '',
    kernel: kernel.version,
    events: 0,
    checkpoints: 0,
    tails: 0,
    durationMs: 0,
  };
  const told = (rest: Partial<VerifyReply>): VerifyReply => ({
    ...reply,
    ...rest,
    durationMs: performance.now() - started,
  });
  const seat = new KernelSeat(kernel, `${session} verified`);
  try {
    if (known?.kernel === kernel.version) {
      const { last } = await store.load(session, kernel.version);
      if (last?.commit.hash === known.hash) return told({ known: true, events: known.seq + 1 });
    }
    const loaded = await new Timeline(ports).load(session, { fromStart: true });
    const newest = loaded.tail.at(-1)?.commit;
    if (!newest) throw noSession(session);
    Object.assign(reply, { seq: lastSeqOf(newest), hash: newest.hash });
    const verification = new FullVerification(loaded.tail, seat, ports);
    const finding = await verification.run(schedule);
    Object.assign(reply, verification.counts);
    if (!finding) return told({});
    const place = placeInCode(verification.events, finding.divergence);
    return told({ verified: false, ...finding, place: place ?? undefined });
  } catch (error) {
    return told({ verified: false, divergence: await chainBreak(session, error, ports) });
  } finally {
    seat.leave();
  }
}

class FullVerification {
  readonly events: SessionEvent[];
  readonly counts: Pick<VerifyReply, 'events' | 'checkpoints' | 'tails' | 'moves'>;
  readonly #commits: readonly StoredCommit[];
  readonly #seat: KernelSeat;
  readonly #ports: TimelinePorts;

  constructor(commits: readonly StoredCommit[], seat: KernelSeat, ports: TimelinePorts) {
    this.#commits = commits;
    this.#seat = seat;
    this.#ports = ports;
    this.events = eventsOf(commits);
    this.counts = { events: this.events.length, checkpoints: 0, tails: 0 };
  }

  /** The first difference; null: there is none. */
  async run(schedule: string | undefined): Promise<Finding | null> {
    const seat = this.#seat;
    const start = emptyFold(this.#commits[0]!.commit.head.name);
    const genesis = await replayEvents(seat, start, this.events, this.#rules(this.#commits));
    this.counts.checkpoints = genesis.checkpoints;
    if (genesis.divergence) return this.#found(genesis.divergence);
    const stateId = await seat.stateId();
    const found = await this.#tails();
    if (found || schedule === undefined) return found;
    return this.#moved(schedule, start, stateId);
  }

  /** What is left of the log, from what is stored of each checkpoint. */
  async #tails(): Promise<Finding | null> {
    /** The session as its events tell it, and as the newest checkpoint that could be opened leads to it. */
    let told = emptyFold(this.#commits[0]!.commit.head.name);
    let reached: SessionFold | null = null;
    let from: number | undefined;
    let segment: StoredCommit[] = [];
    const execute = async (): Promise<Finding | null> => {
      if (!reached || segment.length === 0) return null;
      const events = eventsOf(segment);
      const { divergence, fold } = await replayEvents(this.#seat, reached, events, this.#rules(segment));
      reached = fold;
      segment = [];
      return divergence && this.#found(divergence, from);
    };
    const breath = makeBreath();
    for (const stored of this.#commits) {
      const pause = breath(stored.commit.events.length);
      if (pause) await pause;
      told = applyCommit(told, stored);
      if (reached) segment.push(stored);
      const { fold, foldLarge, head, kernel } = stored.commit;
      if (!fold && !foldLarge) continue;
      const found = await execute();
      if (found) return found;
      // Heaps of another version of the kernel are of no use to this one, and lost ones cost time only.
      if (kernel !== this.#ports.kernel.version || !head.checkpoint) continue;
      const image = await this.#ports.store.image(head.checkpoint.stateId);
      if (!image) continue;
      const { seq, stateId } = head.checkpoint;
      try {
        const held = await foldAt(stored, this.#ports.store);
        const bytes = await foldBytes(stored.commit, this.#ports.store);
        const difference = foldDifference(held, told, bytes);
        if (difference) return { divergence: { seq, kind: 'checkpoint', ...difference } };
        await this.#seat.open({ image, stateId });
        [reached, from] = [held, seq];
      } catch (error) {
        if (!hasCode(error, 'CORRUPT')) throw error;
        const expected = 'a session state and a heap that can be restored';
        return { divergence: { seq, kind: 'checkpoint', expected, actual: error.message } };
      }
      this.counts.tails += 1;
    }
    return execute();
  }

  /** All of it once more, moved into a new kernel after turns that follow from a seed: it must end with the same heap. */
  async #moved(schedule: string, start: SessionFold, stateId: string): Promise<Finding | null> {
    const seat = this.#seat;
    this.counts.moves = 0;
    const moving: ReplayKernel = watched(seat, async ({ seq }) => {
      if (Number.parseInt(sha256(`${schedule}:${seq}`).slice(0, 8), 16) % TURNS_A_MOVE !== 0) return;
      const { bytes, stateId } = await seat.kernel.capture();
      await seat.open({ image: bytes, stateId });
      this.counts.moves! += 1;
    });
    const { divergence } = await replayEvents(moving, start, this.events, this.#rules(this.#commits));
    if (divergence) return this.#found(divergence);
    const actual = await seat.stateId();
    if (actual === stateId) return null;
    const seq = this.counts.events - 1;
    return this.#found({ seq, kind: 'stateId', expected: stateId, actual: `${actual}, moved between turns` });
  }

  #rules(commits: readonly StoredCommit[]): ReplayOptions {
    // Heaps of another kernel version differ by design; its events must still come out the same.
    const same = wroteAll(this.#ports.kernel.version, commits);
    return { states: same, stacks: same, unrecorded: 'skipped' };
  }

  async #found(divergence: Divergence, from?: number): Promise<Finding> {
    return { divergence: await withPages(divergence, this.#seat.kernel, this.#ports), from };
  }
}

/**
 * In what a checkpoint holds of a session something else than its events tell, both sides; null: in nothing. An older
 * version may have held less: only what it held is compared.
 */
function foldDifference(held: SessionFold, told: SessionFold, bytes: Uint8Array) {
  const [a, b] = [fieldsOf(encodeFold(held)), fieldsOf(encodeFold(told))];
  const names = Object.keys(fieldsOf(bytes)).filter(
    (name) => Buffer.compare(encodeCanonical(a[name]), encodeCanonical(b[name])) !== 0,
  );
  if (names.length === 0) return null;
  const side = (fields: Record<string, unknown>) =>
    names.map((name) => `${name} ${JSON.stringify(fields[name])}`);
  return { expected: side(a).join(', '), actual: side(b).join(', ') };
}

const fieldsOf = (encoded: Uint8Array) => decode(encoded) as Record<string, unknown>;

function eventsOf(commits: readonly StoredCommit[]): SessionEvent[] {
  return commits.flatMap(({ commit }) => commit.events);
}
