/**
 * Sessions that cannot be restored. Each has a record with what was wrong, and until when nobody is to try again: the
 * waits grow from 5 s to an hour, and survive restarts, so that a session which fails costs next to nothing. Whoever
 * asks for it meanwhile is told the same at once. A record holds for one state of the log and one version of the
 * kernel: when either changes, the session is tried anew. That commits are gone which were durable is told for as long
 * as they are: nothing else would say so, once those who remember them have ended.
 */
import { decode, encode } from '../bus/codec.ts';
import { type LogPoint, RepriseError } from '../bus/errors.ts';
import type { Trouble, TroubleRequest } from '../bus/operations/catalogue.ts';
import type { Clock } from '../bus/port.ts';
import { sessionToken } from '../bus/subjects.ts';
import { pipelined } from './pipeline.ts';
import type { BlobStore, LogStore } from './ports.ts';

interface TroubleRecord extends Trouble {
  /** Newest log position at that time. */
  position: number;
  kernel: string;
  /** Where the log is not whole. */
  at?: LogPoint;
}

const KIND = 'trouble';
const WAIT_FIRST_MS = 5_000;
const WAIT_GROWS = 4;
const WAIT_MAX_MS = 3_600_000;
const WIDTH = 32;

/** What storage knows of sessions in trouble; all of it is in the blob store. */
export class Troubles {
  readonly #log: LogStore;
  readonly #blobs: BlobStore;
  readonly #clock: Clock;

  constructor(log: LogStore, blobs: BlobStore, clock: Clock) {
    this.#log = log;
    this.#blobs = blobs;
    this.#clock = clock;
  }

  /**
   * Whether a worker of this kernel may try to restore the session.
   * @returns whether it failed before
   * @throws RepriseError what was wrong, while the record says to wait; as the stores
   */
  async assertWorthTrying(token: string, kernel: string): Promise<boolean> {
    const record = await this.#record(token);
    if (!record) return false;
    const end = await this.#log.end(token);
    const isWaiting =
      record.kernel === kernel && record.nextAt > this.#clock.now() && end === record.position;
    if (!isWaiting && !isCutOff(record, end)) return true;
    const { code, message, hint, at } = record;
    throw new RepriseError(code, message, { hint, at, retryable: false });
  }

  /** Notes that a session could not be restored, or (null) that it was. @throws RepriseError as the stores */
  async note({ session, kernel, failure }: TroubleRequest): Promise<void> {
    const token = sessionToken(session);
    const known = await this.#record(token);
    const position = await this.#log.end(token);
    // Nobody has tried, or nobody could know.
    if (known && isCutOff(known, position)) return;
    if (!failure) return this.forget(token);
    const now = this.#clock.now();
    const isSame = known?.position === position && known.kernel === kernel;
    // Told again what is known: nobody has tried.
    if (isSame && known.nextAt > now) return;
    const tries = isSame ? known.tries + 1 : 1;
    const waitMs = Math.min(WAIT_FIRST_MS * WAIT_GROWS ** (tries - 1), WAIT_MAX_MS);
    const record: TroubleRecord = { session, ...failure, tries, nextAt: now + waitMs, position, kernel };
    await this.forget(token);
    await this.#blobs.put(KIND, token, encode(record));
  }

  async forget(token: string): Promise<void> {
    await this.#blobs.remove(KIND, [token]);
  }

  /** All records, by token. */
  async all(): Promise<Map<string, Trouble>> {
    const tokens = await this.#blobs.keys(KIND);
    const records = await pipelined(tokens, WIDTH, (token) => this.#record(token));
    return new Map(
      records.flatMap((record, index) => {
        if (!record) return [];
        const { position: _, kernel: __, at: ___, ...trouble } = record;
        return [[tokens[index]!, trouble]];
      }),
    );
  }

  async #record(token: string): Promise<TroubleRecord | null> {
    const bytes = await this.#blobs.get(KIND, token);
    return bytes && (decode(bytes) as TroubleRecord);
  }
}

/** Whether a log lacks commits that it had: it ends before the place at which it was found wanting. */
function isCutOff({ code, at }: TroubleRecord, end: number): boolean {
  return code === 'CORRUPT' && at !== undefined && end < at.position;
}
