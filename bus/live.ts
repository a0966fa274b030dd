/** Previews of what a session prints. */
import * as v from 'valibot';
import { natural, type Schema, shaped, text } from './schema.ts';

/**
 * `live.<token>`: a piece of what a turn prints, sent while it runs. A preview: the turn's `output` events say the same
 * once they are committed, and it may never come to that. (turn, at) is the same place for ever, also when the turn
 * is run again elsewhere.
 */
export interface LivePrinted {
  /** seq of the event that began the turn: it is durable. */
  turn: number;
  /** UTF-16 units of the turn's console text before this piece: its outputs in order, each with its newline. */
  at: number;
  parts: { stream: 'stdout' | 'stderr'; text: string }[];
}

/** A preview that came on `live.<token>`. */
export const livePrintedSchema: Schema<LivePrinted> = shaped<LivePrinted>({
  turn: natural,
  at: natural,
  parts: v.array(shaped<LivePrinted['parts'][number]>({ stream: v.picklist(['stdout', 'stderr']), text })),
});
