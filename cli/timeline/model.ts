/**
 * From the events of a session to its timeline. Pure, and bounded however long the log is: of more than `most` cells,
 * calls or moments, neighbours are put together, and their `count` says how many they are.
 *
 * Time never runs backwards here: an event whose time is earlier than that of the one before it, or cannot be read,
 * happens when that one did.
 */

import { annotationText } from '../../bus/client/annotations.ts';
import { endsCell } from '../../bus/command-events.ts';
import { type AnswerEvent, isAnswer, isRequest, type RequestEvent } from '../../bus/effect-events.ts';
import type { EventOf, Json, SessionEvent } from '../../bus/types.ts';
import { Bounded } from './bounded.ts';
import type { TimelineData } from './shape.ts';
import { type CallSpan, type CellSpan, joinCalls, joinCells, joinMarks, type Mark } from './shape.ts';

/** Of a text, characters that are kept. */
const TEXT_MAX = 200;

/** Takes the events of a session in order, and tells what they come to. */
export class TimelineBuilder {
  readonly #session: string;
  readonly #most: number;
  readonly #cells: Bounded<CellSpan>;
  readonly #calls: Bounded<CallSpan>;
  readonly #checkpoints: Bounded<Mark>;
  readonly #interrupts: Bounded<Mark>;
  readonly #annotations: Bounded<Mark>;
  readonly #background: Bounded<Mark>;
  readonly #totals = { events: 0, cells: 0, calls: 0, checkpoints: 0, interrupts: 0 };
  /** Calls without an answer, by the key under which it comes. */
  readonly #open = new Map<string, CallSpan>();
  #atOnce = 0;
  #running: CellSpan | null = null;
  /** seq of the event that began the turn. */
  #turnAt = 0;
  #from: number | null = null;
  #to: number | null = null;
  #startMs = 0;
  /** Time of the newest event. */
  #nowMs = 0;
  /** What is recorded to have gone on after the time of the newest event. */
  #endMs = 0;
  #closed = false;

  constructor(session: string, most: number) {
    this.#session = session;
    this.#most = most;
    this.#cells = new Bounded(most, joinCells);
    this.#calls = new Bounded(most, joinCalls);
    this.#checkpoints = new Bounded(most, joinMarks);
    this.#interrupts = new Bounded(most, joinMarks);
    this.#annotations = new Bounded(most, joinMarks);
    this.#background = new Bounded(most, joinMarks);
  }

  add(event: SessionEvent): void {
    const seq = event.seq ?? 0;
    const writtenMs = Date.parse((event.type === 'session' ? event.created : event.timestamp) ?? '');
    if (writtenMs > this.#nowMs) this.#nowMs = writtenMs;
    if (this.#from === null) {
      this.#from = seq;
      this.#startMs = this.#nowMs;
    }
    this.#to = seq;
    this.#totals.events += 1;
    if (isRequest(event)) this.#asked(event);
    else if (isAnswer(event)) this.#answered(event);
    else this.#happened(event, seq);
    this.#endMs = Math.max(this.#endMs, this.#nowMs);
  }

  /** What the events so far come to. */
  result(): TimelineData {
    const endMs = this.#endMs;
    const running = this.#running;
    const open = [...this.#open.values()].map((call) => ({ ...call, endMs }));
    const waits = running !== null && open.some(({ cell }) => cell === running.cell);
    const begun: CellSpan[] = running ? [{ ...running, endMs, outcome: waits ? 'waiting' : 'running' }] : [];
    return {
      session: this.#session,
      from: this.#from,
      to: this.#to,
      startMs: this.#startMs,
      endMs,
      state: this.#state(waits),
      cells: bounded([...this.#cells.items, ...begun], this.#most, joinCells),
      calls: bounded([...this.#calls.items, ...open], this.#most, joinCalls),
      checkpoints: this.#checkpoints.items,
      interrupts: this.#interrupts.items,
      annotations: this.#annotations.items,
      background: this.#background.items,
      atOnce: this.#atOnce,
      totals: { ...this.#totals },
    };
  }

  #state(waits: boolean): TimelineData['state'] {
    if (this.#closed) return 'closed';
    if (this.#running) return waits ? 'waiting' : 'running';
    return this.#totals.cells === 0 ? 'empty' : 'ready';
  }

  #happened(event: Exclude<SessionEvent, RequestEvent | AnswerEvent>, seq: number): void {
    switch (event.type) {
      case 'input':
        this.#endCell({ outcome: 'lost' });
        this.#turnAt = seq;
        this.#begin(event.cell ?? this.#totals.cells + 1, { seq, code: head(event.code) });
        return;
      case 'output':
        this.#printed(event);
        return;
      case 'error': {
        this.#cellOf(event.cell);
        if (event.rolledBack) this.#undo();
        const text = head(event.name ? `${event.name}: ${event.message}` : event.message);
        this.#endCell({ outcome: 'error', text, endSeq: seq }, event.durationMs);
        return;
      }
      case 'checkpoint':
        this.#totals.checkpoints += 1;
        this.#checkpoints.add(this.#mark(seq, `${event.stateId.slice(0, 16)} (${head(event.reason)})`));
        return;
      case 'interrupt':
        this.#totals.interrupts += 1;
        // Only a strike at a cell that awaits begins something of its own.
        if (event.fuel < 0) this.#turnAt = seq;
        this.#interrupts.add(this.#mark(seq, event.reason));
        return;
      case 'annotation':
        this.#annotations.add(this.#mark(seq, head(annotationText(event))));
        return;
      case 'effect_cancel':
        this.#endCall(`${event.effect}`, { cancelled: true });
        return;
      case 'closed':
        this.#closed = true;
        this.#endCell({ outcome: 'lost' });
        for (const key of [...this.#open.keys()]) this.#endCall(key, { cancelled: true });
    }
  }

  #printed(event: EventOf<'output'>): void {
    const lines = event.value.split('\n').length;
    if (endsCell(event)) {
      this.#cellOf(event.cell);
      this.#endCell(
        { outcome: 'result', text: head(joined(event.value)), endSeq: event.seq },
        event.durationMs,
      );
    } else if (event.cell === undefined && this.#running === null) {
      this.#background.add({ ...this.#mark(event.seq, head(event.value)), count: lines });
    } else this.#cellOf(event.cell).lines += lines;
  }

  /** The cell that an event speaks of. Where the events begin in the middle of one, it is begun here. */
  #cellOf(cell: number | undefined): CellSpan {
    const running = this.#running;
    if (running && (cell === undefined || running.cell === cell)) return running;
    this.#endCell({ outcome: 'lost' });
    return this.#begin(cell ?? null, { seq: null, code: '' });
  }

  #begin(cell: number | null, known: Pick<CellSpan, 'seq' | 'code'>): CellSpan {
    this.#totals.cells += 1;
    const startMs = known.seq === null ? this.#startMs : this.#nowMs;
    const span = { startMs, endMs: startMs, count: 1 };
    const rest = { endSeq: null, outcome: 'running', text: '', lines: 0, computedMs: 0 } as const;
    this.#running = { cell, ...known, ...span, ...rest };
    return this.#running;
  }

  #endCell(end: Pick<CellSpan, 'outcome'> & Partial<CellSpan>, durationMs = 0): void {
    const running = this.#running;
    if (!running) return;
    const computedMs = durationMs >= 0 ? durationMs : 0;
    const endMs = Math.max(this.#nowMs, running.startMs + computedMs);
    this.#endMs = Math.max(this.#endMs, endMs);
    this.#cells.add({ ...running, ...end, computedMs, endMs });
    this.#running = null;
  }

  #asked(event: RequestEvent): void {
    if (event.cell !== undefined) this.#cellOf(event.cell);
    const effect = event.effect ?? event.seq;
    const key = event.type === 'llm_req' && event.effect === undefined ? event.receiptKey : `${effect}`;
    this.#endCall(key, { cancelled: true });
    this.#totals.calls += 1;
    this.#open.set(key, {
      effect,
      kind: kindOf(event),
      seq: event.seq,
      answeredSeq: null,
      cell: event.cell ?? null,
      ok: null,
      cancelled: false,
      detail: head(event.type === 'llm_req' ? event.prompt : plain(event.payload)),
      startMs: this.#nowMs,
      endMs: this.#nowMs,
      count: 1,
    });
    this.#atOnce = Math.max(this.#atOnce, this.#open.size);
  }

  #answered(event: AnswerEvent): void {
    this.#turnAt = event.seq;
    const key =
      event.type === 'llm_resp' && event.effect === undefined ? event.receiptKey : `${event.effect}`;
    const call = this.#open.get(key);
    const { error } = event;
    const failure = error ? `✗ ${error.name}: ${error.message}` : '';
    const end = { answeredSeq: event.seq, ok: !error };
    if (call) {
      this.#endCall(key, { ...end, detail: head(`${call.detail} ${failure}`.trim()) });
      return;
    }
    // It was asked before the first event, and has been open all the time.
    this.#totals.calls += 1;
    this.#atOnce += 1;
    const span = { startMs: this.#startMs, endMs: this.#nowMs, count: 1 };
    const what = { effect: event.effect ?? event.seq, kind: kindOf(event), detail: head(failure) };
    this.#calls.add({ ...what, seq: null, cell: null, cancelled: false, ...end, ...span });
  }

  #endCall(key: string, end: Partial<CallSpan>): void {
    const call = this.#open.get(key);
    if (!call) return;
    this.#open.delete(key);
    this.#calls.add({ ...call, ...end, endMs: this.#nowMs });
  }

  /** What an undone turn asked for was not asked. */
  #undo(): void {
    for (const [key, { seq }] of this.#open) {
      if (seq !== null && seq >= this.#turnAt) this.#endCall(key, { cancelled: true });
    }
  }

  #mark(seq: number, detail: string): Mark {
    return { seq, detail, startMs: this.#nowMs, endMs: this.#nowMs, count: 1 };
  }
}

/** In the order of their beginnings, and no more than `most`. */
function bounded<T extends CellSpan | CallSpan>(items: T[], most: number, join: (a: T, b: T) => T): T[] {
  const list = new Bounded(most, join);
  const sorted = items.sort((a, b) => a.startMs - b.startMs || (a.seq ?? -1) - (b.seq ?? -1));
  for (const item of sorted) list.add(item);
  return [...list.items];
}

/** Name of the kind of effect that an event is about. */
function kindOf(event: RequestEvent | AnswerEvent): string {
  return event.type === 'llm_req' || event.type === 'llm_resp' ? 'llm' : head(event.kind);
}

/** The first line that says anything. */
function head(text: string): string {
  const line = /[^\n]*\S[^\n]*/.exec(text)?.[0].trim() ?? '';
  const characters = [...line.slice(0, 2 * TEXT_MAX)];
  return characters.length > TEXT_MAX ? `${characters.slice(0, TEXT_MAX - 1).join('')}…` : line;
}

/** Lines as one: the first one of an array or an object says nothing. */
const joined = (text: string): string => text.slice(0, 4 * TEXT_MAX).replace(/\s*\n\s*/g, ' ');

/** JSON for readers: the fields of an object without its braces. */
function plain(payload: Json): string {
  if (payload === null || typeof payload !== 'object' || Array.isArray(payload))
    return JSON.stringify(payload);
  return Object.entries(payload)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
}
