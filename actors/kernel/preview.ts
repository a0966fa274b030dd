/**
 * What a running turn has printed, in pieces, for those who watch. A turn's console text is the text of all its
 * outputs in order, each with its newline. It only grows, and a re-execution gives the same one, so a place in it is
 * the same place for ever: whoever has seen it up to there need not see it again. Pure.
 */
import type { KernelOutput, Printed } from './port.ts';

/** A turn that takes longer has its output shown while it runs, ms. */
export const PREVIEW_AFTER_MS = 20;
/** Least time between two pieces, ms. */
export const PREVIEW_EVERY_MS = 20;
/** UTF-16 units of one piece. With the time between two it bounds what one turn sends; the rest comes later. */
export const PREVIEW_UNITS_MAX = 64 * 1024;

export class Preview {
  #sent = 0;
  /** The output that the next piece starts in, and how much of its text (and newline) has been sent. */
  #output = 0;
  #units = 0;

  /** The next piece of what `outputs` have grown by, null when they have not. It ends with a line where it can. */
  take(outputs: readonly KernelOutput[], maxUnits = PREVIEW_UNITS_MAX): Printed | null {
    const printed: Printed = { at: this.#sent, parts: [] };
    let room = maxUnits;
    while (this.#output < outputs.length && room > 0) {
      const { stream, text } = outputs[this.#output]!;
      const whole = `${text}\n`;
      const end = cutAt(whole, this.#units, room);
      if (end > this.#units) printed.parts.push({ stream, text: whole.slice(this.#units, end) });
      room -= end - this.#units;
      this.#sent += end - this.#units;
      this.#units = end;
      // The last output may grow on.
      if (end < whole.length || this.#output === outputs.length - 1) break;
      this.#output++;
      this.#units = 0;
    }
    return printed.parts.length === 0 ? null : printed;
  }
}

/** Where a piece of `text` from `start` ends, at most `room` units on: behind a newline, else between characters. */
function cutAt(text: string, start: number, room: number): number {
  const end = start + room;
  if (end >= text.length) return text.length;
  const newline = text.lastIndexOf('\n', end - 1);
  if (newline >= start) return newline + 1;
  const isHigh = (text.charCodeAt(end - 1) & 0xfc00) === 0xd800;
  return isHigh && end - 1 > start ? end - 1 : end;
}
