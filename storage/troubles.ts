/**
 * Sessions that cannot be restored. Each has a record with what was wrong, and until when nobody is to try again: the
 * waits grow from 5 s to an hour, and survive restarts, so that a session which fails costs next to nothing. Whoever
 * asks for it meanwhile is told the same at once. A record holds for one state of the log and one version of the
 * kernel: when either changes, the session is tried anew.
 */
import { decode, encode } from '../bus/codec.ts';
import { RepriseError } from '../bus/errors.ts';
import type { Trouble, TroubleRequest } from '../bus/operations/catalogue.ts';
import type { Clock } from '../bus/port.ts';
import { sessionToken } from '../bus/subjects.ts';
import { pipelined } from './pipeline.ts';
import type { BlobStore, LogStore } from './ports.ts';

interface TroubleRecord extends Trouble {
  /** Newest log position at that time. */
  position: number;
  kernel: string;
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
    if (!record || record.kernel !== kernel) return record !== null;
    if (record.nextAt <= this.#clock.now() || (await this.#log.end(token)) !== record.position) return true;
    const { code, message, hint } = record;
    throw new RepriseError(code, message, { hint, retryable: false });
  }

  /** Notes that a session could not be restored, or (null) that it was. @throws RepriseError as the stores */
  async note({ session, kernel, failure }: TroubleRequest): Promise<void> {
    const token = sessionToken(session);
    const known = await this.#record(token);
    if (!failure) return this.forget(token);
    const now = this.#clock.now();
    const position = await this.#log.end(token);
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
        const { position: _, kernel: __, ...trouble } = record;
        return [[tokens[index]!, trouble]];
      }),
    );
  }

  async #record(token: string): Promise<TroubleRecord | null> {
    const bytes = await this.#blobs.get(KIND, token);
    return bytes && (decode(bytes) as TroubleRecord);
  }
}
