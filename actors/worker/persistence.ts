/**
 * The contract's persistence over an event log. Every command is durable before it is answered, so "saving"
 * means a checkpoint: it makes the next activation cheap, and nothing is lost without it.
 */

import { hasCode } from '../../bus/errors.ts';
import type { IPersistenceManager, ISessionInstance, ISessionPersister } from '../../bus/types.ts';
import type { SessionStore } from '../session/ports.ts';
import type { Log } from '../timeline/ports.ts';
import { SessionInstance } from './session-instance.ts';
import type { SessionManager } from './session-manager.ts';

/** Saves and loads one session. */
export class SessionPersister implements ISessionPersister {
  readonly #name: string;
  readonly #sessions: SessionManager;
  readonly #store: Pick<SessionStore, 'get'>;
  readonly #log: Log;

  constructor(name: string, sessions: SessionManager, store: Pick<SessionStore, 'get'>, log: Log) {
    this.#name = name;
    this.#sessions = sessions;
    this.#store = store;
    this.#log = log;
  }

  /** Takes a checkpoint; other implementations of ISessionInstance have nothing to save here. */
  async save(session: ISessionInstance): Promise<void> {
    if (!(session instanceof SessionInstance)) return;
    await session.save('save');
    session.updateSavePoint();
  }

  /** The session, resident and restored, or null when the log has none of that name. */
  async load(): Promise<ISessionInstance | null> {
    if ((await this.#store.get(this.#name)) === null) return null;
    return this.#sessions.getSession(this.#name);
  }

  /** Starts a save and does not wait: what is not saved in time is rebuilt from the log. */
  saveSync(session: ISessionInstance): void {
    this.save(session).catch((error) => {
      if (!hasCode(error, 'FENCED'))
        this.#log.warn({ session: this.#name, error: String(error) }, 'save failed');
    });
  }
}

export class PersistenceManager implements IPersistenceManager {
  readonly #sessions: SessionManager;
  readonly #store: Pick<SessionStore, 'get'>;
  readonly #log: Log;

  constructor(sessions: SessionManager, store: Pick<SessionStore, 'get'>, log: Log) {
    this.#sessions = sessions;
    this.#store = store;
    this.#log = log;
  }

  persister(name: string): SessionPersister {
    return new SessionPersister(name, this.#sessions, this.#store, this.#log);
  }

  saveSession(session: ISessionInstance): Promise<void> {
    return this.persister(session.getMetadata().name).save(session);
  }

  loadSession(name: string): Promise<ISessionInstance | null> {
    return this.persister(name).load();
  }

  saveDirtySessions(): Promise<void> {
    return this.#sessions.saveDirtySessions();
  }

  /** Saves every resident session, dirty or not. */
  async forceSave(): Promise<void> {
    await Promise.all(this.#sessions.pool.getAll().map((instance) => instance.save('save')));
  }

  /** Starts saving what is dirty; the log already has everything. */
  shutdown(): void {
    for (const instance of this.#sessions.pool.getDirty()) {
      this.persister(instance.name).saveSync(instance);
    }
  }
}
