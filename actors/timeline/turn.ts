/**
 * What a kernel's turn means in events, and whether events in the log say the same. Pure: live execution
 * and replay use the same derivation, so that a replay compares like with like.
 */
import { encodeCanonical, wired } from '../../bus/codec.ts';
import { hasCode } from '../../bus/errors.ts';
import type { Divergence } from '../../bus/operations/looks.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { kindOf } from '../effects/kinds.ts';
import type { Turn } from '../kernel/port.ts';
import type { RunningCell } from './fold-shape.ts';

/** Events that re-execution derives; all others enter the session from outside. */
const DERIVED = new Set<SessionEvent['type']>(['output', 'error', 'llm_req', 'effect_req', 'effect_cancel']);

export function isDerived(event: SessionEvent): boolean {
  return DERIVED.has(event.type);
}

/** Whether an event may stand amid a turn without being a part of what it derives. */
export function isAside({ type }: SessionEvent): boolean {
  return type === 'warning' || type === 'fork' || type === 'annotation';
}

/** Whether an event begins something new: it belongs to no turn that began before it. */
export function beginsTurn(event: SessionEvent): boolean {
  const isStrike = event.type === 'interrupt' && event.fuel >= 0;
  return !isDerived(event) && !isAside(event) && !isStrike;
}

export interface TurnFacts {
  /** seq of the first event to make. */
  first: number;
  timestamp: string;
  sessionId: string;
  /** Version of the behaviours that the session was born with. */
  version: number;
  /** The cell the turn belongs to; null in the background. */
  running: RunningCell | null;
  /** Time the cell has computed so far, this turn included, ms. */
  durationMs: number;
}

/**
 * The derived events of a turn, numbered from `facts.first`. A strike's `interrupt` event is not among them.
 * They are as the log will give them back (a guest's text may be no well-formed Unicode): replay compares them.
 */
export function eventsOfTurn(turn: Turn, facts: TurnFacts): SessionEvent[] {
  const events: SessionEvent[] = [];
  const { timestamp } = facts;
  const cell = facts.running?.cell;
  const seq = () => facts.first + events.length;
  for (const output of turn.outputs) {
    const event: SessionEvent = {
      type: 'output',
      seq: seq(),
      value: output.text,
      timestamp,
      stream: output.stream,
      level: output.level,
      cell,
    };
    if (output.truncated) event.truncated = true;
    events.push(event);
  }
  // A request that is given up in the turn that made it never leaves the session.
  const made = new Set(turn.requests.map((request) => request.effect));
  const unmade = new Set(turn.cancelled.filter((effect) => made.has(effect)));
  for (const request of turn.requests) {
    if (unmade.has(request.effect)) continue;
    events.push(kindOf(request.kind).requestEvent(request, { ...facts, seq: seq(), cell }));
  }
  for (const effect of turn.cancelled) {
    if (!unmade.has(effect)) events.push({ type: 'effect_cancel', seq: seq(), effect, timestamp, cell });
  }
  // exit() in a callback ends the cell that waits, too: whoever asked for it is answered.
  const exits = turn.exit && facts.running !== null;
  if (turn.status === 'done' || exits) events.push(endEvent(turn, seq(), facts));
  return wired(events);
}

function endEvent(turn: Turn, seq: number, facts: TurnFacts): SessionEvent {
  const { timestamp, durationMs } = facts;
  const cell = facts.running?.cell;
  if (turn.error) {
    const { name, message, stack } = turn.error;
    const event: SessionEvent = { type: 'error', seq, message, timestamp, name, stack, cell, durationMs };
    // An undone turn did not call exit() either: the session goes on.
    if (turn.exit && !turn.poisoned) event.shouldExit = true;
    if (turn.poisoned) event.rolledBack = true;
    return event;
  }
  const event: SessionEvent = {
    type: 'output',
    seq,
    value: turn.result?.text ?? '',
    timestamp,
    stream: 'result',
    cell,
    durationMs,
  };
  if (turn.exit) event.shouldExit = true;
  if (turn.result?.truncated) event.truncated = true;
  return event;
}

/**
 * What a turn counts as that hung inside one built-in function and was ended by the watchdog: as undone. null for
 * any other failure of the kernel.
 */
export function hungTurn(thrown: unknown): Turn | null {
  if (!hasCode(thrown, 'UNAVAILABLE') || thrown.retryable) return null;
  const name = 'WatchdogError';
  const { message } = thrown;
  return {
    status: 'done',
    poisoned: true,
    error: { name, message, stack: `${name}: ${message}` },
    outputs: [],
    requests: [],
    cancelled: [],
    exit: false,
    fuel: 0,
    heapBytes: 0,
    durationMs: 0,
  };
}

/** Facts of an event that may differ between runs. */
const NOT_COMPARED = new Set(['timestamp', 'durationMs', 'seq']);

/**
 * Compares what re-execution derived with what the log says. Fields that the log's event lacks (it was written
 * by an older version, or imported) are not compared, and stacks only when `stacks` says so.
 * @returns null when they agree, else the first difference.
 */
export function compareEvents(
  logged: SessionEvent,
  derived: SessionEvent | undefined,
  { stacks } = { stacks: true },
): Divergence | null {
  const seq = logged.type === 'session' ? 0 : logged.seq;
  if (derived === undefined) {
    return { seq, kind: 'extra', expected: describe(logged), actual: 'nothing' };
  }
  const kind = logged.type === 'output' || logged.type === 'error' ? 'output' : 'effect';
  const difference = { seq, kind, expected: describe(logged), actual: describe(derived) } as const;
  if (logged.type !== derived.type) return difference;
  const a = logged as Record<string, unknown>;
  const b = derived as Record<string, unknown>;
  for (const key of Object.keys(a)) {
    if (NOT_COMPARED.has(key) || a[key] === undefined || (key === 'stack' && !stacks)) continue;
    if (!same(a[key], b[key])) return difference;
  }
  return null;
}

function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  return Buffer.compare(encodeCanonical(a), encodeCanonical(b)) === 0;
}

/** One line that tells an event's content to a person. */
export function describe(event: SessionEvent): string {
  const { type, ...rest } = event as { type: string } & Record<string, unknown>;
  for (const key of NOT_COMPARED) delete rest[key];
  return `${type} ${JSON.stringify(rest)}`;
}
