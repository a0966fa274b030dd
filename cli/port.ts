/** What the commands need: sessions over the bus, and the local system's processes. */
import type {
  CompleteReply,
  ExecuteReply,
  InspectReply,
  PresenceReply,
  ReplayReply,
  SimpleReply,
} from '../bus/protocol.ts';
import type { SessionEvent, SessionMetadata } from '../bus/types.ts';

/** Sessions, wherever they run. Errors are RepriseErrors. */
export interface Sessions {
  execute(
    session: string,
    code: string,
    options?: { commandId?: string; timeoutMs?: number; waitMs?: number },
  ): Promise<ExecuteReply>;
  interrupt(session: string, commandId?: string): Promise<SimpleReply>;
  inspect(session: string): Promise<InspectReply>;
  complete(session: string, code: string, cursor: number): Promise<CompleteReply>;
  closeSession(session: string, reason?: string): Promise<SimpleReply>;
  listSessions(): Promise<SessionMetadata[]>;
  getSession(session: string): Promise<SessionMetadata | null>;
  deleteSession(session: string): Promise<boolean>;
  /** Events from seq `from` to `to` (both included), as they are committed. */
  events(session: string, from?: number, to?: number): AsyncIterable<SessionEvent>;
  /** Calls back whenever something may have happened in the session. */
  watch(session: string, onActivity: () => void): () => void;
  replay(session: string): Promise<ReplayReply>;
  /** Every process that answers. */
  who(): Promise<PresenceReply[]>;
  disconnect(): Promise<void>;
}
