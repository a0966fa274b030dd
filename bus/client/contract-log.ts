/**
 * A log in the contract's shape, whoever wrote it, as events that a session can hold: what the contract leaves open and
 * the log does not say is filled in; what it says stays, unknown fields too. A log of ours comes out as it went in. Pure,
 * but for the time when nothing in the log has one.
 */
import { sha256 } from '../codec.ts';
import { RepriseError } from '../errors.ts';
import { isSessionEventType, SESSION_EVENT_TYPES, sessionEventSchema } from '../event-schemas.ts';
import { isoTime, parse } from '../schema.ts';
import type { SessionEvent } from '../types.ts';
import { type JsonLine, lineError } from './lines.ts';

type Fields = { [key: string]: unknown };

/** @throws RepriseError BAD_FORMAT naming the line */
export async function* contractLog(lines: AsyncIterable<JsonLine>): AsyncGenerator<SessionEvent, void> {
  const reader = new ContractReader();
  let number = 0;
  for await (const line of lines) {
    ({ number } = line);
    yield* reader.read(line).map((event) => checked(event, line.number));
  }
  const rest = reader.end();
  if (rest.length === 0 && number === 0) {
    throw new RepriseError('BAD_FORMAT', 'there is nothing in it', { hint: 'nothing was imported' });
  }
  yield* rest.map((event) => checked(event, number));
}

function checked(event: Fields, number: number): SessionEvent {
  try {
    return parse(sessionEventSchema, event);
  } catch (thrown) {
    throw lineError(number, RepriseError.from(thrown).message);
  }
}

class ContractReader {
  /** The first event, until it is known when the log began. */
  #begin: Fields | null = null;
  #isOurs = false;
  #next = 0;
  #time: string | null = null;
  /** New seqs by those of the log. */
  readonly #seqs = new Map<unknown, number>();
  #cells = 0;
  #running: number | null = null;
  #lastEffect = 0;
  /** Effects without an answer, by receipt key, oldest first. */
  readonly #open: { key: unknown; effect: number }[] = [];
  #isClosed = false;

  /** The events that are whole with this line. */
  read({ number, value }: JsonLine): Fields[] {
    const { type } = value;
    if (typeof type !== 'string') throw lineError(number, 'it is no event: it has no type');
    if (!isSessionEventType(type)) {
      const known = SESSION_EVENT_TYPES.join(', ');
      throw lineError(
        number,
        `no session has events of type ${JSON.stringify(type.slice(0, 80))}`,
        `nothing was imported; the types are ${known}. Leave the line out, or upgrade if a newer Reprise wrote it`,
      );
    }
    if (value.large !== undefined) {
      throw lineError(number, 'it stands for a value that is not in the log', 'nothing was imported');
    }
    if (this.#isClosed) throw lineError(number, 'nothing may follow a `closed` event');
    if ((type === 'session') !== (this.#next === 0)) throw misplaced(number);
    const event = { ...value, seq: this.#seqOf(value, number) };
    if (type === 'session') return this.#began(event, number);
    const timed = this.#timed(event, number);
    return [...this.end(), this.#completed(type, timed)];
  }

  /** What waited for a later line. */
  end(): Fields[] {
    const begin = this.#begin;
    this.#begin = null;
    if (!begin) return [];
    this.#time ??= new Date().toISOString();
    return [{ ...begin, created: begin.created ?? this.#time }];
  }

  #seqOf({ seq, kernel }: Fields, number: number): number {
    const place = this.#next++;
    if (place === 0) this.#isOurs = seq === 0 && kernel !== undefined;
    else if (this.#isOurs && seq !== place) {
      throw lineError(
        number,
        `its seq is ${JSON.stringify(seq)} instead of ${place}`,
        'nothing was imported; lines are missing, or not in their order',
      );
    }
    if (seq !== undefined && !this.#seqs.has(seq)) this.#seqs.set(seq, place);
    return place;
  }

  #began({ created, ...rest }: Fields, number: number): Fields[] {
    if (created !== undefined) this.#time = isoOf(created, number);
    const begin = { version: 1, id: 'imported', ...rest };
    this.#begin = created === undefined ? begin : { ...begin, created: this.#time };
    return [];
  }

  #timed({ timestamp, ...rest }: Fields, number: number): Fields {
    if (timestamp !== undefined) {
      this.#time = isoOf(timestamp, number);
      return { ...rest, timestamp: this.#time };
    }
    if (this.#isOurs) return rest;
    this.#time ??= new Date().toISOString();
    return { ...rest, timestamp: this.#time };
  }

  #completed(type: SessionEvent['type'], event: Fields): Fields {
    switch (type) {
      case 'input':
        this.#cells += 1;
        this.#running = typeof event.cell === 'number' ? event.cell : this.#cells;
        return { cell: this.#running, ...event };
      case 'output':
      case 'error': {
        const cell = this.#running;
        if (type === 'error' || (event.stream ?? 'result') === 'result') this.#running = null;
        return this.#isOurs || cell === null ? event : { cell, ...event };
      }
      case 'llm_req':
      case 'effect_req':
        return this.#asked(event);
      case 'llm_resp':
      case 'effect_resp':
        return this.#answered(event);
      case 'interrupt':
        return this.#isOurs ? event : { ...event, at: this.#seqs.get(event.at) ?? event.at };
      case 'checkpoint':
        return { reason: 'imported', ...event, stateId: tokenOf(event.stateId) };
      case 'closed':
        this.#isClosed = true;
        return { reason: 'closed', ...event };
      default:
        return event;
    }
  }

  #asked(event: Fields): Fields {
    const { receiptKey: key = '', effect: told } = event;
    const effect = typeof told === 'number' ? told : this.#lastEffect + 1;
    this.#lastEffect = Math.max(this.#lastEffect, effect);
    this.#open.push({ key, effect });
    const cell = this.#isOurs || this.#running === null ? {} : { cell: this.#running };
    return event.type === 'llm_req' ? { receiptKey: '', effect, ...cell, ...event } : { effect, ...event };
  }

  #answered(event: Fields): Fields {
    const { receiptKey: key, effect: told } = event;
    const byNumber = this.#open.findIndex(({ effect }) => effect === told);
    const byKey = this.#open.findIndex((open) => open.key === key);
    const index = told === undefined && key !== undefined ? byKey : told === undefined ? 0 : byNumber;
    const [open] = index < 0 ? [] : this.#open.splice(index, 1);
    const effect = told ?? open?.effect;
    const whole = effect === undefined ? event : { ...event, effect };
    return event.type === 'llm_resp' ? { receiptKey: '', ...whole } : whole;
  }
}

function misplaced(number: number): RepriseError {
  return lineError(
    number,
    'the first event of a log, and no other, is its `session` event',
    'nothing was imported; `reprise export` without --from writes a whole log',
  );
}

/** A time as the log of a session has it. */
function isoOf(time: unknown, number: number): string {
  if (typeof time === 'string' && isoTime['~run']({ value: time }, {}).issues === undefined) return time;
  const known = typeof time === 'string' || typeof time === 'number' ? new Date(time).getTime() : Number.NaN;
  if (Number.isNaN(known)) throw lineError(number, `${JSON.stringify(time)?.slice(0, 80)} is no time`);
  return new Date(known).toISOString();
}

/** What a heap is known by here: one token. Of another system's names the hash. */
function tokenOf(stateId: unknown): unknown {
  if (typeof stateId !== 'string' || /^[A-Za-z0-9_~-]{1,128}$/.test(stateId)) return stateId;
  return sha256(stateId);
}
