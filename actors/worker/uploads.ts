/** Logs that are being brought in, a piece at a time: held until they are whole, and forgotten when no more comes. */
import { decode } from '../../bus/codec.ts';
import { RepriseError } from '../../bus/errors.ts';
import { IMPORT_BYTES_MAX, mebibytes } from '../../bus/limits.ts';
import type { ImportRequest } from '../../bus/operations/lineage.ts';
import { PieceReader } from '../../bus/pieces.ts';
import type { Clock } from '../../bus/port.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { BroughtLog } from './brought-log.ts';

/** Whoever brings one is busy with nothing else, ms. */
const IDLE_MS = 60_000;

interface Upload {
  log: BroughtLog;
  reader: PieceReader;
  /** Number of the next piece. */
  next: number;
  bytes: number;
  idle: { cancel(): void };
}

export class Uploads {
  readonly #clock: Clock;
  readonly #bytesMax: number;
  readonly #underWay = new Map<string, Upload>();

  /** @param bytesMax of all that is held at a time */
  constructor(clock: Clock, bytesMax = IMPORT_BYTES_MAX) {
    this.#clock = clock;
    this.#bytesMax = bytesMax;
  }

  /**
   * Takes a piece. The first one of a command begins anew.
   * @returns the events, with the last piece; null: more is to come, or nothing
   * @throws RepriseError BAD_FORMAT (what no session can hold; names the event), TOO_LARGE, UNAVAILABLE (pieces were lost,
   * or too much is under way: it may be sent again from its beginning). What came so far is then forgotten.
   */
  take({ commandId, piece, bytes, end }: ImportRequest): SessionEvent[] | null {
    const upload = this.#at(commandId, piece);
    this.#forget(commandId);
    if (end === 'dropped') return null;
    this.#assertRoom(upload.bytes + bytes.byteLength);
    for (const value of upload.reader.take(bytes)) upload.log.push(decode(value));
    if (end === 'done') {
      if (!upload.reader.isWhole) throw new RepriseError('BAD_FORMAT', 'the last event is cut off');
      return upload.log.whole();
    }
    const idle = this.#clock.setTimer(() => this.#underWay.delete(commandId), IDLE_MS);
    upload.next = piece + 1;
    upload.bytes += bytes.byteLength;
    this.#underWay.set(commandId, { ...upload, idle });
    return null;
  }

  /** Forgets everything. */
  close(): void {
    for (const commandId of [...this.#underWay.keys()]) this.#forget(commandId);
  }

  #at(commandId: string, piece: number): Upload {
    const idle = { cancel() {} };
    if (piece === 0) return { log: new BroughtLog(), reader: new PieceReader(), next: 0, bytes: 0, idle };
    const known = this.#underWay.get(commandId);
    if (known?.next === piece) return known;
    throw new RepriseError('UNAVAILABLE', 'pieces of the log were lost on their way', {
      hint: 'nothing was begun; send it again from its first piece',
    });
  }

  /** @throws RepriseError TOO_LARGE: never; UNAVAILABLE: not now */
  #assertRoom(bytes: number): void {
    if (bytes > this.#bytesMax) {
      throw new RepriseError(
        'TOO_LARGE',
        `the log has more than ${mebibytes(this.#bytesMax)}, which is the limit`,
        { hint: 'nothing was begun; `reprise export --to` writes a shorter one' },
      );
    }
    const held = [...this.#underWay.values()].reduce((sum, upload) => sum + upload.bytes, 0);
    if (held + bytes <= this.#bytesMax) return;
    throw new RepriseError('UNAVAILABLE', 'other logs are being brought in, and there is no room for more', {
      hint: 'nothing was begun; retry when they are done',
    });
  }

  #forget(commandId: string): void {
    this.#underWay.get(commandId)?.idle.cancel();
    this.#underWay.delete(commandId);
  }
}
