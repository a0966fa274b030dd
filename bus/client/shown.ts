/**
 * What has been shown of a session, so that every place of it is shown once: console output from previews, while a
 * turn runs, and from the log, once it is committed. Pure.
 *
 * 1. A place in the output is the event that began its turn and the units of the turn's console text before it. It is
 *    the same in a preview, in the log, and when the turn is run again by another worker.
 * 2. Events come in the order of the log, each once. A preview is shown only when the log has been shown up to the
 *    event that began its turn, and only where it continues what has been shown: what it leaves out, the log brings.
 * 3. What was shown and then not committed (the turn was struck elsewhere, or undone) is said to be so.
 */
import { isBeside } from '../command-events.ts';
import { isAnswer } from '../effect-events.ts';
import type { LivePrinted } from '../live.ts';
import type { EventOf, SessionEvent } from '../types.ts';
import { warningText } from './warning-text.ts';

export type Stream = 'stdout' | 'stderr';

/** Something to show. `input` is that of the cell it belongs to; null in the background, or when it began unseen. */
export type Shown = { input: EventOf<'input'> | null } & (
  | { kind: 'input' }
  | { kind: 'printed'; stream: Stream; text: string; cell: number | undefined }
  /** What was shown of these lines is not in the log. */
  | { kind: 'unrecorded'; lines: number }
  | { kind: 'ended'; event: EventOf<'output'> | EventOf<'error'> }
);

interface Turn {
  seq: number;
  /** Units of its console text up to which the log (or somebody else) has it. */
  committed: number;
  /** Text shown beyond that. */
  ahead: string;
  /** Units at its beginning that were printed before anybody watched, and are still to come in the log. */
  unseen: number;
  /** Whatever it prints is known. */
  isOver: boolean;
}

/** Characters of previews kept for turns whose beginning has not been read yet. */
const HELD_MAX = 1_000_000;

export class ShownSession {
  /** seq of the next event to show. */
  next: number;
  #input: EventOf<'input'> | null = null;
  #turn: Turn | null = null;
  #held: LivePrinted[] = [];
  #heldUnits = 0;

  /** @param next seq of the first event that shall be shown */
  constructor(next: number) {
    this.next = next;
  }

  /** Begins at `seq`, with the previews that came before it was known where to begin. */
  beginAt(seq: number): void {
    this.next = seq;
    this.#held = this.#held.filter(({ turn }) => turn >= seq);
  }

  /** Goes on at `seq`: what comes before has been shown by other means, or shall not be. */
  skipTo(seq: number): void {
    this.next = seq;
    this.#input = null;
    this.#turn = null;
    this.#held = [];
    this.#heldUnits = 0;
  }

  /** Takes the next event of the log; one that was taken before says nothing. */
  event(event: SessionEvent): Shown[] {
    const seq = event.seq ?? 0;
    if (seq < this.next) return [];
    this.next = seq + 1;
    const isConsole = event.type === 'output' && (event.stream === 'stdout' || event.stream === 'stderr');
    if (isConsole) return this.#commit(event.stream as Stream, event.value, event.cell);
    if (event.type === 'warning') {
      const text = `warning: ${warningText(event)}\n`;
      return [{ input: this.#input, kind: 'printed', stream: 'stderr', text, cell: event.cell }];
    }
    const isAside = this.#isStrike(event) || isBeside(event);
    const shown = isAside ? [] : this.#end();
    if (begins(event)) {
      this.#turn = { seq, committed: 0, ahead: '', unseen: 0, isOver: false };
      if (event.type === 'input') {
        this.#input = event;
        shown.push({ kind: 'input', input: event });
      }
      shown.push(...this.#release());
    } else if (event.type === 'output' || event.type === 'error') {
      shown.push({ kind: 'ended', input: this.#input, event });
      this.#input = null;
    }
    return shown;
  }

  /** Takes a preview; what it brings may be shown later, when the log has been shown up to it. */
  preview(printed: LivePrinted): Shown[] {
    if (printed.turn >= this.next) {
      this.#hold(printed);
      return [];
    }
    // A turn that ran already when the watching began, and nothing has come after it.
    const joins = this.#turn === null && printed.turn === this.next - 1;
    if (joins) {
      const { turn: seq, at } = printed;
      this.#turn = { seq, committed: at, ahead: '', unseen: at, isOver: false };
    }
    const turn = this.#turn;
    if (turn === null || turn.seq !== printed.turn || turn.isOver) return [];
    let skip = turn.committed + turn.ahead.length - printed.at;
    if (skip < 0) return [];
    const shown: Shown[] = [];
    for (const { stream, text } of printed.parts) {
      const rest = text.slice(skip);
      skip = Math.max(0, skip - text.length);
      turn.ahead += rest;
      if (rest !== '') shown.push(this.#printed(stream, rest, this.#input?.cell));
    }
    return shown;
  }

  /** The log says what the turn printed: shows what has not been shown of it. */
  #commit(stream: Stream, value: string, cell: number | undefined): Shown[] {
    let text = `${value}\n`;
    const turn = this.#turn;
    if (turn === null) return [this.#printed(stream, text, cell)];
    const hidden = Math.min(turn.unseen, text.length);
    turn.unseen -= hidden;
    text = text.slice(hidden);
    turn.committed += text.length;
    const { ahead } = turn;
    if (ahead.startsWith(text)) {
      turn.ahead = ahead.slice(text.length);
      return [];
    }
    const agrees = text.startsWith(ahead);
    turn.ahead = '';
    const shown = agrees ? [] : [this.#unrecorded(ahead)];
    return [...shown, this.#printed(stream, agrees ? text.slice(ahead.length) : text, cell)];
  }

  /** The turn prints no more: what was shown beyond the log will not come. */
  #end(): Shown[] {
    const turn = this.#turn;
    if (turn === null) return [];
    turn.isOver = true;
    const { ahead } = turn;
    turn.ahead = '';
    return ahead === '' ? [] : [this.#unrecorded(ahead)];
  }

  #hold(printed: LivePrinted): void {
    const units = printed.parts.reduce((sum, { text }) => sum + text.length, 0);
    if (this.#heldUnits + units > HELD_MAX) return;
    this.#heldUnits += units;
    this.#held.push(printed);
  }

  /** Shows what was held for the turn that begins now. */
  #release(): Shown[] {
    if (this.#held.length === 0) return [];
    const held = this.#held;
    this.#held = [];
    this.#heldUnits = 0;
    return held.flatMap((printed) => this.preview(printed));
  }

  /** A strike from outside stands between a turn's beginning and what it printed. */
  #isStrike(event: SessionEvent): boolean {
    return event.type === 'interrupt' && event.fuel >= 0;
  }

  #printed(stream: Stream, text: string, cell: number | undefined): Shown {
    return { kind: 'printed', input: this.#input, stream, text, cell };
  }

  #unrecorded(text: string): Shown {
    return { kind: 'unrecorded', input: this.#input, lines: text.replace(/\n$/, '').split('\n').length };
  }
}

/** Whether a turn begins with the event. */
function begins(event: SessionEvent): boolean {
  if (event.type === 'interrupt') return event.fuel < 0;
  return event.type === 'input' || isAnswer(event);
}
