/** The log of a session that is not whole: all that is readable, in order, and where the chain breaks. */
import { CHAIN_START, type ChainPlace, commitFault, faultText, placeAfter, placeBefore } from '../chain.ts';
import { hasCode } from '../errors.ts';
import { type LargeStore, restoredEvents } from '../large.ts';
import type { ScannedMessage } from '../operations/logs.ts';
import type { SessionEvent } from '../types.ts';

/** An event, or a place where the log is not what it should be. */
export type Salvaged = { event: SessionEvent } | { broken: string };

/** Reads messages in order. What follows a break is shown too, as far as it can be read. */
export class Salvage {
  readonly #large: Pick<LargeStore, 'getLarge'>;
  #place: ChainPlace | null = CHAIN_START;

  constructor(large: Pick<LargeStore, 'getLarge'>) {
    this.#large = large;
  }

  async read({ position, sizeBytes, commit, problem }: ScannedMessage): Promise<Salvaged[]> {
    if (!commit) {
      // What should stand here is not known, so the next commit is judged alone.
      this.#place = null;
      return [{ broken: problem ?? `there is no commit at log position ${position}` }];
    }
    const stored = { commit, position, sizeBytes };
    if (this.#place?.position === 0) this.#place = placeBefore(commit);
    const fault = problem === undefined ? commitFault(stored, this.#place) : null;
    // What was not appended is no link of the chain: the next commit follows the one before.
    if (problem === undefined) this.#place = placeAfter(stored);
    const broken = problem ?? (fault && faultText(fault));
    const events = await this.#whole(commit.events, commit.head.id);
    return broken ? [{ broken }, ...events] : events;
  }

  async #whole(events: SessionEvent[], sessionId: string): Promise<Salvaged[]> {
    const found: Salvaged[] = [];
    for (const event of events) {
      try {
        const [whole] = await restoredEvents([event], sessionId, this.#large);
        found.push({ event: whole! });
      } catch (thrown) {
        if (!hasCode(thrown, 'CORRUPT')) throw thrown;
        found.push({ broken: thrown.message }, { event });
      }
    }
    return found;
  }
}
