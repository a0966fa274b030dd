/** Brings a log to a worker, a piece at a time, and to another one when it dies. */
import { encode } from '../codec.ts';
import { RepriseError } from '../errors.ts';
import { IMPORT_PIECE_BYTES_MAX, limitsOf } from '../limits.ts';
import { LongCallError, longCall } from '../long-call.ts';
import { IMPORT, type Imported, type ImportRequest } from '../operations/lineage.ts';
import { Patience } from '../patience.ts';
import { inPieces } from '../pieces.ts';
import type { Bus, Clock } from '../port.ts';
import { gatherPresence } from '../presence.ts';
import type { Subjects } from '../subjects.ts';
import type { SessionEvent } from '../types.ts';
import { parseReply } from '../wire.ts';
import type { ImportOptions } from './options.ts';

/** What a worker that died has left is gone by then, and some time to begin again, ms. */
const WAIT_MS = 60_000;
/** A worker that checks a large event is only busy, ms. */
const HUNG_MS = 10_000;
/** How long a word to a worker that nothing is expected of may take, ms. */
const DROP_MS = 1_000;
const WHO = { limitMs: 300, quietMs: 300 };

interface ImportPorts {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
}

/** The events of a log from the first one on, as often as it is called. */
export type LogSource = () => AsyncIterable<SessionEvent>;

/**
 * Begins a session out of events.
 * @throws what the source throws; RepriseError BAD_REQUEST (the name is taken), BAD_FORMAT, TOO_LARGE, TIMEOUT, and what
 * storage throws. Then nothing was begun, but for TIMEOUT: the same commandId is imported once.
 */
export async function bringLog(
  source: LogSource,
  target: Pick<ImportRequest, 'session' | 'commandId'>,
  ports: ImportPorts,
  options: Omit<ImportOptions, 'commandId'>,
): Promise<Imported> {
  const { bus, clock } = ports;
  const patience = new Patience(bus, clock, { waitMs: WAIT_MS, ...options });
  let avoided: string | undefined;
  for (;;) {
    const carrier = new Carrier(target, ports, options.signal);
    try {
      await carrier.find(avoided);
      return await carrier.bring(source, options.onEvent);
    } catch (thrown) {
      carrier.drop();
      avoided = thrown instanceof LongCallError ? carrier.worker : undefined;
      patience.assertWorthwhile(thrown, `the import of '${target.session}'`);
      await patience.pause(thrown);
    }
  }
}

class Carrier {
  readonly #target: Pick<ImportRequest, 'session' | 'commandId'>;
  readonly #ports: ImportPorts;
  readonly #signal: AbortSignal | undefined;
  worker: string | undefined;
  #piece = 0;

  constructor(
    target: Pick<ImportRequest, 'session' | 'commandId'>,
    ports: ImportPorts,
    signal: AbortSignal | undefined,
  ) {
    this.#target = target;
    this.#ports = ports;
    this.#signal = signal;
  }

  /** A worker, another one than `avoided` if there is any. @throws RepriseError NO_RESPONDERS */
  async find(avoided: string | undefined): Promise<void> {
    const { bus, subjects, clock } = this.#ports;
    const found = await gatherPresence(bus, subjects, clock, WHO, (replies) =>
      replies.some(
        ({ role, state, process }) => role === 'worker' && state === 'running' && process !== avoided,
      ),
    );
    const workers = found.filter(({ role, state }) => role === 'worker' && state === 'running');
    this.worker = (workers.find(({ process }) => process !== avoided) ?? workers[0])?.process;
    if (this.worker === undefined) throw new RepriseError('NO_RESPONDERS', 'no worker answers');
  }

  async bring(source: LogSource, onEvent: ((events: number) => void) | undefined): Promise<Imported> {
    const { contentBytes } = limitsOf(this.#ports.bus.maxPayload);
    const pieceBytes = Math.min(IMPORT_PIECE_BYTES_MAX, contentBytes);
    let before: Uint8Array | null = null;
    for await (const piece of inPieces(encoded(source(), onEvent), pieceBytes)) {
      if (before) await this.#send({ bytes: before });
      before = piece;
    }
    return (await this.#send({ bytes: before!, end: 'done' }))!;
  }

  /** Says that nothing more comes; a worker that does not hear it finds out by itself. */
  drop(): void {
    const { bus, subjects } = this.#ports;
    if (this.worker === undefined || this.#piece === 0 || !bus.connected) return;
    const request = { ...this.#target, piece: this.#piece, bytes: new Uint8Array(0), end: 'dropped' };
    bus.request(subjects.importAt(this.worker), encode(request), { timeoutMs: DROP_MS }).catch(() => {});
  }

  async #send(part: Pick<ImportRequest, 'bytes' | 'end'>): Promise<Imported | undefined> {
    const { bus, subjects, clock } = this.#ports;
    const request: ImportRequest = { ...this.#target, piece: this.#piece, ...part };
    const bytes = await longCall(bus, {
      subject: subjects.importAt(this.worker!),
      data: encode(request),
      timeoutMs: Number.POSITIVE_INFINITY,
      pingSubject: subjects.ping,
      hungMs: HUNG_MS,
      clock,
      signal: this.#signal,
    });
    const { imported } = parseReply(IMPORT.reply, bytes);
    this.#piece += 1;
    return imported;
  }
}

async function* encoded(
  events: AsyncIterable<SessionEvent>,
  onEvent: ((events: number) => void) | undefined,
): AsyncGenerator<Uint8Array, void> {
  let count = 0;
  for await (const event of events) {
    yield encode(event);
    count += 1;
    onEvent?.(count);
  }
}
