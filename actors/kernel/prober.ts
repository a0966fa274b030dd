/**
 * Serves the looks that were put into a cell (`compiler/probing.ts`). A look costs the cell nothing that it could
 * notice: what it calls is bound in the lexical scope, which no code can list; the steps that it takes are not counted,
 * so that a recorded strike falls where it fell; what it prints or asks for goes nowhere.
 */
import { COUNTDOWN, EVAL_SCRIPT, type Guest } from './guest.ts';
import { LOOK_FUNCTION } from './instance.ts';
import type { Probed, ProbedHit, Probing } from './port.ts';

/** Callbacks that one expression may take: some 50 ms of the guest's time. */
const EXPRESSION_FUEL = 300;
/** The same for all looks of a turn: some 10 s. After that they are only counted. */
const LOOKS_FUEL = 60_000;
/** Characters of one value. */
const VALUE_MAX = 4_000;
/** Characters of all values of a turn. */
const VALUES_MAX = 8_000_000;
const TOO_LONG = 'TimeoutError: it takes too long to be shown';

/** Gives a cell that is about to begin what its looks call. Returns the address of the word that tells of a call. */
export function installLooks(guest: Guest, { call, flag }: Probing['looks']): number {
  const { engine } = guest.instance;
  const { context, scratch, countdown } = guest.layout;
  const steps = guest.instance.words[countdown >> 2]!;
  const name = guest.instance.writeText(call);
  const served = engine.QTS_NewFunction(context, name.pointer, 2, 0, LOOK_FUNCTION);
  engine.free(name.pointer);
  const block = engine.malloc(8);
  const buffer = engine.QTS_NewArrayBuffer(context, block, 8);
  const taken = `let ${call},${flag};(look,buffer)=>{${call}=look;${flag}=new Int32Array(buffer)}`;
  const take = guest.eval(taken, '<looks>', EVAL_SCRIPT);
  if (take.value !== undefined) {
    guest.instance.words[scratch >> 2] = served;
    guest.instance.words[(scratch >> 2) + 1] = buffer;
    guest.free(engine.QTS_Call(context, take.value, guest.layout.undefined, 2, scratch));
  }
  guest.discard(take);
  for (const value of [served, buffer]) guest.free(value);
  guest.instance.words[countdown >> 2] = steps;
  return block;
}

export class Prober {
  readonly #probed: Probed = { hits: [], more: 0 };
  readonly #guest: Guest;
  readonly #probing: Probing;
  /** Index of the word that is 1 while a look is being called. */
  readonly #flag: number;
  #looking = false;
  /** The step that the call of a look counts as was the last of a countdown: it is given back. */
  #isOwed = false;
  #expressionFuel = 0;
  #fuel = 0;
  #characters = 0;

  /** @param flag what `installLooks` returned */
  constructor(guest: Guest, probing: Probing, flag: number) {
    this.#guest = guest;
    this.#probing = probing;
    this.#flag = flag >> 2;
    guest.instance.words[this.#flag] = 0;
    guest.instance.words[this.#flag + 1] = 0;
  }

  /** What has been seen so far. */
  get probed(): Probed {
    const leftOut = Math.max(0, this.#guest.instance.words[this.#flag + 1]! - 1);
    return { ...this.#probed, more: this.#probed.more + leftOut };
  }

  /** An expression is being computed or shown: what the guest does is none of the cell's doing. */
  get looking(): boolean {
    return this.#looking;
  }

  /** Whether to strike at an interrupt callback that is none of the cell's; null for one of the cell's. */
  interrupt(): boolean | null {
    if (this.#looking) {
      this.#fuel += 1;
      this.#expressionFuel += 1;
      return this.#isOver;
    }
    if (this.#guest.instance.words[this.#flag] !== 1) return null;
    this.#isOwed = true;
    return false;
  }

  get #isOver(): boolean {
    return this.#expressionFuel > EXPRESSION_FUEL;
  }

  /** Serves one look. One within another, of code that an expression calls, is none. */
  look(pointers: number, count: number): void {
    const { instance, layout } = this.#guest;
    instance.words[this.#flag] = 0;
    if (this.#looking) return;
    const countdown = layout.countdown >> 2;
    const steps = this.#isOwed ? 1 : instance.words[countdown]! + 1;
    this.#isOwed = false;
    this.#looking = true;
    try {
      this.#serve(pointers, count);
    } finally {
      this.#looking = false;
      instance.words[countdown] = steps;
    }
  }

  #serve(pointers: number, count: number): void {
    const probed = this.#probed;
    const { conditional, limit, looks } = this.#probing;
    let at = 2;
    if (conditional && this.#fuel <= LOOKS_FUEL) {
      const wanted = this.#computed(pointers, at);
      const holds = wanted.value !== undefined && this.#word(wanted.value) === 1;
      if (wanted.thrown !== undefined) probed.refused ??= this.#thrown(wanted.thrown);
      this.#guest.discard(wanted);
      if (!holds) return;
    }
    if (conditional) at += 1;
    const place = this.#word(this.#guest.instance.engine.QTS_ArgvGetJSValueConstPointer(pointers, 0));
    const isFull = this.#characters > VALUES_MAX || this.#fuel > LOOKS_FUEL;
    const isLimited = place !== looks.end && probed.hits.length >= limit;
    if (isFull || isLimited) {
      probed.more += 1;
      // Without a condition to ask, the others need not come here.
      if (!conditional) this.#guest.instance.words[this.#flag + 1] = 1;
      return;
    }
    const hit: ProbedHit = { place, values: [] };
    for (; at < count; at++) hit.values.push(this.#shown(pointers, at));
    probed.hits.push(hit);
  }

  /** Small integers stand in a value's lower word. */
  #word(value: number): number {
    return this.#guest.instance.words[value >> 2]!;
  }

  #computed(pointers: number, index: number) {
    this.#expressionFuel = 0;
    this.#guest.instance.words[this.#guest.layout.countdown >> 2] = COUNTDOWN;
    const callee = this.#guest.instance.engine.QTS_ArgvGetJSValueConstPointer(pointers, index);
    return this.#guest.callFunction(callee);
  }

  #shown(pointers: number, index: number): ProbedHit['values'][number] {
    const computed = this.#computed(pointers, index);
    if (computed.thrown !== undefined) {
      const error = this.#thrown(computed.thrown);
      this.#guest.free(computed.thrown);
      return { error };
    }
    const text = this.#guest.callWith(this.#probing.brief ? 'preview' : 'show', computed.value);
    this.#guest.free(computed.value);
    const isOver = this.#isOver || text.thrown !== undefined;
    const value = this.#bounded(isOver ? TOO_LONG : this.#guest.text(text.value!));
    this.#guest.discard(text);
    return isOver ? { error: value } : { value };
  }

  #thrown(error: number): string {
    return this.#bounded(this.#isOver ? TOO_LONG : this.#guest.text(error));
  }

  #bounded(text: string): string {
    const more = text.length - VALUE_MAX;
    const bounded = more > 0 ? `${text.slice(0, VALUE_MAX)}… ${more} more characters` : text;
    this.#characters += bounded.length;
    return bounded;
  }
}
