/** When a checkpoint is worth its price, and how it is taken. */
import type { SessionEvent } from '../../bus/types.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';
import { Batch } from './batch.ts';
import type { LogWriter } from './log-writer.ts';
import type { SessionPorts, SessionSettings } from './ports.ts';
import type { Stepper } from './stepper.ts';

/**
 * Bounded recovery: what replay would cost since the newest checkpoint, against a budget in time. A checkpoint
 * that costs more than the replay it saves is not worth taking yet, so a large heap is saved less often.
 */
export function checkpointDue(
  fold: SessionFold,
  lastCostMs: number,
  settings: SessionSettings,
): 'now' | 'when idle' | 'no' {
  // A closed session takes none, however dear it is: asking for one again and again would hold up its worker.
  if (isSaved(fold)) return 'no';
  if (fold.replayCostMs > Math.max(settings.hardReplayMs, 4 * lastCostMs)) return 'now';
  if (fold.replayCostMs > Math.max(settings.softReplayMs, lastCostMs)) return 'when idle';
  return 'no';
}

/** True when the newest checkpoint says all there is to say. */
export function isSaved({ seq, closed, checkpoint }: SessionFold): boolean {
  return seq < 0 || closed || checkpoint?.seq === seq;
}

/** Stores the heap and commits the event that names it. @returns what it cost, ms. */
export async function takeCheckpoint(
  reason: string,
  writer: LogWriter,
  stepper: Stepper,
  ports: SessionPorts,
): Promise<number> {
  const { clock, store } = ports;
  const { seq } = writer.fold;
  const started = clock.now();
  const image = await stepper.capture();
  const stored = await store.putImage(image.stateId, image.bytes);
  const batch = new Batch(writer.fold);
  const event: SessionEvent = {
    type: 'checkpoint',
    seq: seq + 1,
    reason,
    stateId: image.stateId,
    timestamp: batch.timestamp(clock),
    sizeBytes: stored ? image.bytes.byteLength : 0,
  };
  batch.push(event);
  await writer.write(batch);
  return clock.now() - started;
}
