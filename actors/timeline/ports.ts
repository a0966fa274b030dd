/** What a timeline needs from the world around it. */
import type { RepriseError } from '../../bus/errors.ts';
import type { LargeStore } from '../../bus/large.ts';
import type { LoadBounds, LoadReply, ScannedMessage } from '../../bus/operations/logs.ts';
import type { StoredCommit } from '../../bus/types.ts';

/** Reads logs. */
export interface TimelineStore extends Pick<LargeStore, 'getLarge'> {
  load(session: string, kernel: string, bounds?: LoadBounds): Promise<LoadReply>;
  /** Commits with events from seq `from` on (or to `to`), oldest first. */
  read(session: string, from: number, to?: number): AsyncIterable<StoredCommit>;
  /** What stands in a session's log, in order, whatever is wrong with it. */
  scan(session: string): AsyncIterable<ScannedMessage[]>;
  image(stateId: string): Promise<Uint8Array | null>;
  /** Says that a session could not be restored, or (null) that it was. */
  trouble(session: string, kernel: string, failure: RepriseError | null): Promise<void>;
}

/** Structured logging, as pino's methods. */
export interface Log {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}
