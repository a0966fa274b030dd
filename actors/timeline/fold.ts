/**
 * A session is the fold of its log. This file applies events to it, each by the family that owns it. Pure: time, randomness and ids arrive inside events.
 */
import { sessionToken } from '../../bus/subjects.ts';
import { type SessionEvent, type SessionEventType, type StoredCommit, TAIL_LENGTH } from '../../bus/types.ts';
import { emptyCommandIndex } from './command-index.ts';
import { EffectTable } from './effect-table.ts';
import { cellEvents } from './fold-cells.ts';
import { effectEvents } from './fold-effects.ts';
import { lifecycleEvents } from './fold-lifecycle.ts';
import { noteEvents } from './fold-notes.ts';
import type { EventHandler, LogPlace, SessionFold } from './fold-shape.ts';

const HANDLERS: { [T in SessionEventType]: EventHandler<T> } = {
  ...lifecycleEvents,
  ...cellEvents,
  ...effectEvents,
  ...noteEvents,
};

const NO_LOG: LogPlace = { position: 0, hash: '', epoch: 0, tail: [], sizeBytes: 0 };

/** The fold of an empty log. @throws RepriseError BAD_NAME */
export function emptyFold(name: string): SessionFold {
  return {
    name,
    token: sessionToken(name),
    id: '',
    created: '',
    seed: '',
    version: 1,
    seq: -1,
    standsAt: -1,
    timeMs: 0,
    cells: 0,
    closed: false,
    running: null,
    effects: EffectTable.empty,
    backgroundTurns: 0,
    paused: false,
    warned: [],
    annotations: [],
    commands: emptyCommandIndex,
    checkpointCount: 0,
    checkpoint: null,
    ladder: [],
    parent: null,
    replayCostMs: 0,
    log: NO_LOG,
  };
}

/** seq of an event; the contract's `session` event has none and is always the first. */
export function seqOf(event: SessionEvent): number {
  return event.type === 'session' ? 0 : event.seq;
}

/**
 * Time that an event brings the session, ms since the epoch; undefined where it brings none. A fork brings none: a turn
 * may be under way there, and goes on in its own time. Nor does an annotation: the guest must not see that it was made.
 */
export function timeOf(event: SessionEvent): number | undefined {
  if (event.type === 'fork' || event.type === 'annotation') return undefined;
  const text = event.type === 'session' ? event.created : event.timestamp;
  return text === undefined ? undefined : Date.parse(text);
}

/** Applies one event. The caller has checked that its seq follows the fold's. */
export function applyEvent(fold: SessionFold, event: SessionEvent): SessionFold {
  const handler = HANDLERS[event.type] as EventHandler<SessionEventType>;
  const timeMs = Math.max(fold.timeMs, timeOf(event) ?? 0);
  const seq = seqOf(event);
  return { ...fold, standsAt: seq, ...handler(fold, event), seq, timeMs };
}

export function applyEvents(fold: SessionFold, events: readonly SessionEvent[]): SessionFold {
  return events.reduce(applyEvent, fold);
}

/** Applies a stored commit: its events, and where it stands in the log. */
export function applyCommit(fold: SessionFold, stored: StoredCommit): SessionFold {
  return placeAt(applyEvents(fold, stored.commit.events), stored);
}

/** Moves the fold's place in the log to a stored commit whose events it already holds. */
export function placeAt(fold: SessionFold, { commit, position, sizeBytes }: StoredCommit): SessionFold {
  const carried = commit.events.some((event) => event.type === 'checkpoint');
  return {
    ...fold,
    checkpoint: carried && fold.checkpoint ? { ...fold.checkpoint, position } : fold.checkpoint,
    log: {
      position,
      hash: commit.hash,
      epoch: commit.epoch,
      tail: [...commit.head.tail, position].slice(-TAIL_LENGTH),
      sizeBytes: commit.head.sizeBefore + sizeBytes,
    },
  };
}

/** When the earliest pending timer is due, ms since the epoch. A paused session sleeps until its next command. */
export function wakeAt(fold: SessionFold): number | undefined {
  return fold.paused ? undefined : fold.effects.wakeAt;
}

/**
 * True when somebody must carry on without being asked: a turn that has begun and not ended, or an effect
 * other than a timer (timers are told apart: they are no work before they are due).
 */
export function isUnfinished(fold: SessionFold): boolean {
  if (fold.paused) return false;
  const waitsForTimeOnly = fold.effects.size > 0 && fold.effects.dueOnly;
  return !waitsForTimeOnly && (fold.running !== null || fold.effects.size > 0);
}
