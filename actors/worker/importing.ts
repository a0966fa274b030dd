/**
 * Imports: a session out of a log that somebody brings. It is executed once, so that what is told of it is true: a log
 * that this kernel gives to the byte is as if it had been written here, its checkpoints included; another one is kept as
 * it is, and told from those.
 */
import { RepriseError } from '../../bus/errors.ts';
import type { Imported } from '../../bus/operations/lineage.ts';
import type { Divergence } from '../../bus/operations/looks.ts';
import { normalName } from '../../bus/subjects.ts';
import type { EventOf, SessionEvent } from '../../bus/types.ts';
import type { HeapImage, KernelStep } from '../kernel/port.ts';
import { Batch } from '../session/batch.ts';
import { makeBreath } from '../timeline/breath.ts';
import { emptyFold } from '../timeline/fold.ts';
import { type ReplayKernel, replayEvents } from '../timeline/replay.ts';
import { KernelSeat } from '../timeline/seat.ts';
import { asOwn } from './brought-log.ts';
import { begin, begunBy, type ForkPorts, takenError } from './forking.ts';

/** Of events that no kernel we know has given to the byte. */
const NO_KERNEL_OF_OURS = 'unknown';
/** How long a turn of a log that anybody may have written computes at most, ms. */
const TURN_MS = 60_000;
/** UTF-16 units of each side of a divergence that are told. */
const SHOWN_UNITS = 2_000;
/** Heaps of checkpoints that are kept, bytes: the newest ones. */
const IMAGES_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Begins a session that goes on where the events end; they are in order and whole (`BroughtLog`).
 * @throws RepriseError BAD_REQUEST when the name is taken, BAD_NAME, and what storage throws
 */
export async function importLog(
  events: readonly SessionEvent[],
  request: { session: string; commandId: string },
  ports: ForkPorts,
): Promise<Imported> {
  const started = performance.now();
  const { commandId } = request;
  const name = normalName(request.session);
  await assertFree(name, commandId, ports);
  const own = asOwn(events, { id: ports.newId(), name, commandId });
  const { divergence, kernelVersion, images } = await execute(own, ports);
  const batch = new Batch(emptyFold(name));
  const breath = makeBreath();
  for (const event of own) {
    batch.push(event);
    const pause = breath(1);
    if (pause) await pause;
  }
  const { id, closed, checkpointCount: checkpoints } = batch.fold;
  const { bytesWritten, begun } = await begin(batch, commandId, ports, kernelVersion);
  for (const { stateId, bytes } of begun ? [] : images) await ports.store.putImage(stateId, bytes);
  return {
    session: name,
    id: begun?.type === 'session' ? begun.id : id,
    events: own.length,
    checkpoints,
    closed,
    verified: divergence === null,
    divergence: divergence && shortened(divergence),
    bytesWritten,
    durationMs: performance.now() - started,
  };
}

/** So that nobody waits for an execution that is of no use. @throws RepriseError BAD_REQUEST */
export async function assertFree(name: string, commandId: string, { store }: ForkPorts): Promise<void> {
  if ((await store.get(name)) && !(await begunBy(name, commandId, store))) throw takenError(name);
}

/** Both sides may be as large as a value is. */
function shortened(divergence: Divergence): Divergence {
  const { expected, actual } = divergence;
  return { ...divergence, expected: cut(expected), actual: cut(actual) };
}

function cut(text: string): string {
  return text.length > SHOWN_UNITS ? `${text.slice(0, SHOWN_UNITS).toWellFormed()}…` : text;
}

interface Executed {
  divergence: Divergence | null;
  /** Of the kernel that gives these events to the byte. */
  kernelVersion: string;
  /** Heaps at its checkpoints, where it does. */
  images: HeapImage[];
}

async function execute(events: readonly SessionEvent[], ports: ForkPorts): Promise<Executed> {
  const { version } = ports.kernel;
  const { kernel: writtenBy = version } = events[0] as EventOf<'session'>;
  if (writtenBy === version) {
    const { divergence, images } = await replay(events, true, ports);
    if (!divergence) return { divergence, kernelVersion: version, images };
  }
  const { divergence } = await replay(events, false, ports);
  const kernelVersion = writtenBy === version ? NO_KERNEL_OF_OURS : writtenBy;
  return { divergence, kernelVersion, images: [] };
}

/** @param toTheByte heaps and stacks, too, must be the same */
async function replay(
  events: readonly SessionEvent[],
  toTheByte: boolean,
  { kernel }: ForkPorts,
): Promise<{ divergence: Divergence | null; images: HeapImage[] }> {
  const { name = '' } = events[0] as EventOf<'session'>;
  const seat = new KernelSeat(kernel, `${name}, imported`);
  const images: HeapImage[] = [];
  let imageBytes = 0;
  /** seq of the event that began the newest turn. */
  let at = 0;
  const begun = (step: KernelStep): KernelStep => {
    at = step.seq;
    return 'timeoutMs' in step ? { ...step, timeoutMs: Math.min(step.timeoutMs ?? TURN_MS, TURN_MS) } : step;
  };
  const kept: ReplayKernel = {
    boot: (event) => seat.boot(event),
    apply: (step) => seat.apply(begun(step)),
    applyAll: (steps) => seat.applyAll(steps.map(begun)),
    async stateId() {
      const image = await seat.kernel.capture();
      images.push(image);
      imageBytes += image.bytes.byteLength;
      while (imageBytes > IMAGES_BYTES_MAX) imageBytes -= images.shift()!.bytes.byteLength;
      return image.stateId;
    },
  };
  try {
    const rules = { states: toTheByte, stacks: toTheByte };
    const { divergence } = await replayEvents(kept, emptyFold(name), events, rules);
    return { divergence, images };
  } catch (thrown) {
    const { code, retryable, message } = RepriseError.from(thrown);
    if (retryable || code !== 'UNAVAILABLE') throw thrown;
    // It hung in one built-in function, which is a difference as any other.
    const expected = 'a turn that ends';
    return { divergence: { seq: at, kind: 'output', expected, actual: message }, images: [] };
  } finally {
    seat.leave();
  }
}
