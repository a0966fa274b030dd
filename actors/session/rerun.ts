/**
 * Runs the rest of a session again behind a change: what entered it enters again, in its order and at its time, and what
 * was answered is answered so again, for as long as the same is asked. Nothing is asked of the world: where something
 * else is asked, it ends, and a live session goes on.
 */
import { encodeCanonical } from '../../bus/codec.ts';
import { type AnswerEvent, isAnswer, isRequest } from '../../bus/effect-events.ts';
import type { Clock } from '../../bus/port.ts';
import type { SessionEvent } from '../../bus/types.ts';
import type { EffectAnswer, OpenEffect } from '../effects/kind.ts';
import { broughtBy, kindOf, openedBy } from '../effects/kinds.ts';
import { seqOf, timeOf } from '../timeline/fold.ts';
import { strikeOn } from '../timeline/replay.ts';
import type { KernelSeat } from '../timeline/seat.ts';
import type { Batch } from './batch.ts';
import type { TurnMail } from './mailbox.ts';
import { DEFAULT_SETTINGS, type SessionSettings } from './ports.ts';
import { Stepper } from './stepper.ts';

export interface Script {
  /** What entered and was asked from the change on, in order; the first of them is the changed one. */
  events: readonly SessionEvent[];
  /** How much later all happens than it did, ms. */
  shiftMs: number;
  /** Ends before the first turn that asks for something that leaves a receipt. */
  isFree: boolean;
  settings?: Partial<SessionSettings>;
  /** Brings the kernel to where the batch is. */
  rebuild(batch: Batch): Promise<void>;
}

/** What was asked for anew first. */
export interface FirstCall {
  effect: number;
  kind: string;
  detail: string;
}

export interface Rerun {
  /** Recorded answers that leave receipts, and were taken again. */
  reused: number;
  first: FirstCall | null;
  /** seq of the first event of the script that did not enter again; null: all did. */
  rest: number | null;
}

const NOBODY = { resolve() {}, reject() {} };

/** Runs a script in a kernel that stands where `batch` does, and adds to it. @throws what the kernel throws */
export async function rerun(batch: Batch, seat: KernelSeat, script: Script): Promise<Rerun> {
  const { events, shiftMs, isFree } = script;
  const clock = makeRecordedClock();
  const settings = { ...DEFAULT_SETTINGS, ...script.settings, earlyCommitMs: Number.POSITIVE_INFINITY };
  const stepper = new Stepper({ clock, settings, newId: () => '' }, seat);
  const asked = new Map(events.filter(isRequest).map((event) => [openedBy(event).effect, openedBy(event)]));
  let reused = 0;
  let computedMs = 0;
  const end = (rest: number | null, first: FirstCall | null = null): Rerun => ({ reused, first, rest });
  for (const [index, event] of events.entries()) {
    const mail = mailOf(event, batch);
    if (mail === null) continue;
    if (batch.fold.closed || mail === 'not yet') return end(seqOf(event), firstOf([...batch.fold.effects]));
    clock.set((timeOf(event) ?? 0) + shiftMs);
    const [fold, told] = [batch.fold, batch.events.length];
    // The changed event begins another turn than the one that was struck.
    const strike = index === 0 ? undefined : strikeOn(events, index);
    if (mail.kind === 'command') computedMs = 0;
    const turn = await stepper.enter(mail, batch, { computedMs, strike });
    computedMs += turn.durationMs;
    const requests = batch.events.slice(told).filter(isRequest).map(openedBy);
    const other = requests.filter((open) => !isSame(open, asked.get(open.effect), shiftMs));
    if (isFree && other.some(leavesReceipt)) {
      batch.events.length = told;
      batch.fold = fold;
      return end(seqOf(event), firstOf(other));
    }
    if (index > 0 && isAnswer(event) && leavesReceipt(openOf(event, { fold })!)) reused += 1;
    if (other.length > 0) {
      const rest = events.slice(index + 1).find((each) => mailOf(each, batch) !== null);
      return end(rest ? seqOf(rest) : null, firstOf(other));
    }
    // An undone turn leaves no heap behind.
    if (turn.poisoned) await script.rebuild(batch);
  }
  return end(null, firstOf([...batch.fold.effects]));
}

/** How an event entered; null: it did not, or nobody waits for it; `not yet`: a cell before it has not ended. */
function mailOf(event: SessionEvent, { fold }: Batch): TurnMail | 'not yet' | null {
  const atMs = 0;
  if (event.type === 'input') {
    if (fold.running) return 'not yet';
    const { code: command, commandId = `seq-${event.seq}`, timeoutMs } = event;
    const request = { op: 'execute', session: fold.name, command, commandId, timeoutMs } as const;
    return { kind: 'command', atMs, request, waiter: NOBODY };
  }
  if (isAnswer(event)) {
    const open = openOf(event, { fold });
    return open ? { kind: 'answer', atMs, effect: open.effect, answer: answerOf(event) } : null;
  }
  if (event.type !== 'interrupt' || event.fuel >= 0 || !fold.running) return null;
  return { kind: 'abandon', reason: 'user', commandId: fold.running.commandId, waiter: NOBODY };
}

function openOf(event: AnswerEvent, { fold }: Pick<Batch, 'fold'>): OpenEffect | undefined {
  return event.effect === undefined ? undefined : fold.effects.get(event.effect);
}

function answerOf(event: AnswerEvent): EffectAnswer {
  if (event.type === 'effect_resp') return broughtBy(event);
  const { model, usage } = event;
  return { ...broughtBy(event), model, usage };
}

/** Whether a request is the recorded one. Of what ends by itself the time may be another by the shift. */
function isSame(open: OpenEffect, recorded: OpenEffect | undefined, shiftMs: number): boolean {
  if (!recorded || open.kind !== recorded.kind) return false;
  const { dueAt } = kindOf(open.kind);
  if (dueAt) return dueAt(open.payload) === dueAt(recorded.payload) + shiftMs;
  return Buffer.compare(encodeCanonical(open.payload), encodeCanonical(recorded.payload)) === 0;
}

const leavesReceipt = ({ kind }: OpenEffect): boolean => kindOf(kind).receiptKey !== undefined;

function firstOf(effects: readonly OpenEffect[]): FirstCall | null {
  const open = effects.find(leavesReceipt);
  return open
    ? { effect: open.effect, kind: open.kind, detail: kindOf(open.kind).detail(open.payload) }
    : null;
}

/** Stands where it is set; nothing is due on it. */
function makeRecordedClock(): Clock & { set(nowMs: number): void } {
  let now = 0;
  return {
    now: () => now,
    set: (nowMs) => {
      now = nowMs;
    },
    setTimer: () => ({ cancel() {} }),
  };
}
