/** The events by which things enter a session. Pure. */
import type { SessionEvent } from '../../bus/types.ts';
import { kindOf } from '../effects/kinds.ts';
import type { Strike, Turn } from '../kernel/port.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';
import { eventsOfTurn } from '../timeline/turn.ts';
import type { Mail } from './mailbox.ts';
import { noteEvent } from './noting.ts';

/** The event that lets `mail` in. For an answer, its effect is open in `fold`. @throws RepriseError as `noteEvent` */
export function entryEvent(mail: Mail, fold: SessionFold, timestamp: string): SessionEvent {
  const seq = fold.seq + 1;
  if (mail.kind === 'close') return { type: 'closed', seq, reason: mail.reason, timestamp };
  if (mail.kind === 'note') return noteEvent(mail.request, fold, timestamp);
  if (mail.kind === 'command') {
    const { command, commandId, timeoutMs } = mail.request;
    return { type: 'input', seq, code: command, timestamp, commandId, cell: fold.cells + 1, timeoutMs };
  }
  if (mail.kind === 'abandon') {
    const at = fold.running?.turnAt ?? fold.seq;
    const commandId = fold.running?.commandId;
    return { type: 'interrupt', seq, reason: mail.reason, timestamp, fuel: -1, at, commandId };
  }
  const open = fold.effects.get(mail.effect)!;
  return kindOf(open.kind).answerEvent(open, mail.answer, { seq, timestamp });
}

export interface OutcomeFacts {
  fold: SessionFold;
  /** seq of the event that began the turn. */
  turnAt: number;
  timestamp: string;
  /** Time the cell has computed so far, this turn included, ms. */
  durationMs: number;
}

/** All events that follow from a turn that really ran: a strike, what it derived, and the session's end. */
export function outcomeEvents(turn: Turn, facts: OutcomeFacts): SessionEvent[] {
  const { fold, timestamp, durationMs } = facts;
  const events: SessionEvent[] = [];
  const next = () => fold.seq + 1 + events.length;
  if (turn.struck) events.push(strikeEvent(turn.struck, next(), facts));
  // An undone turn asked for nothing; what it printed was seen, so it stays.
  const told: Turn = turn.poisoned ? { ...turn, status: 'done', requests: [], cancelled: [] } : turn;
  const { id: sessionId, running, version } = fold;
  const derived = eventsOfTurn(told, { first: next(), timestamp, sessionId, version, running, durationMs });
  for (const event of derived) events.push(event);
  if (turn.exit && !turn.poisoned) events.push({ type: 'closed', seq: next(), reason: 'exit', timestamp });
  return events;
}

function strikeEvent(strike: Strike, seq: number, { fold, turnAt, timestamp }: OutcomeFacts): SessionEvent {
  const commandId = fold.running?.commandId;
  return {
    type: 'interrupt',
    seq,
    reason: strike.reason,
    timestamp,
    fuel: strike.fuel,
    at: turnAt,
    commandId,
  };
}

/** The cell waits on, and nothing happened that somebody should hear of at once. */
export function goesOn(turn: Turn): boolean {
  return turn.status !== 'done' && !turn.struck && !turn.poisoned && turn.requests.length === 0 && !turn.exit;
}

/** The background has used up its turns, and more of them would come: the session pauses until its next command. */
export function isSpent(fold: SessionFold, turnsMax: number): boolean {
  const { backgroundTurns, closed, effects, paused, running } = fold;
  return backgroundTurns >= turnsMax && effects.size > 0 && running === null && !paused && !closed;
}
