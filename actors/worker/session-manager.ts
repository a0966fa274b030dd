/**
 * Residency: which sessions live in this worker, and in which tier. Hot (a kernel instance holds the heap) ->
 * parked (its pages are kept, the instance is free) -> passivated (nothing is kept; the log and the newest
 * checkpoint rebuild it anywhere). Residency is separate from execution: whoever needs a session asks
 * `provide`, and it is there.
 */
import { RepriseError } from '../../bus/errors.ts';
import { normalName } from '../../bus/subjects.ts';
import type { ExecuteResult, ISessionManager, SessionMetadata } from '../../bus/types.ts';
import type { SessionPorts } from '../session/ports.ts';
import { SessionInstance } from './session-instance.ts';
import { SessionPool } from './session-pool.ts';

export interface ResidencySettings {
  /** Sessions kept resident; beyond it the least recently used are passivated. */
  maxSessions: number;
  /** Quiet time after which a session is saved and parked, ms. */
  parkAfterMs: number;
  /** Quiet time after which a parked session is passivated, ms. */
  passivateAfterMs: number;
}

/** A session whose timer is due sooner than this is not passivated: it would only come back. */
const WAKE_SOON_MS = 30_000;

export interface ResidencyListener {
  onResident(name: string): void;
  onReleased(name: string): void;
}

export class SessionManager implements ISessionManager {
  readonly pool = new SessionPool();
  readonly #ports: SessionPorts;
  readonly #settings: ResidencySettings;
  readonly #listener: ResidencyListener;
  #draining = false;

  constructor(ports: SessionPorts, settings: ResidencySettings, listener: ResidencyListener) {
    this.#ports = ports;
    this.#settings = settings;
    this.#listener = listener;
  }

  /** Id of the worker whose sessions these are. */
  get worker(): string {
    return this.#ports.worker;
  }

  /**
   * The resident session of that name; activates it if need be (it may still be restoring).
   * @throws RepriseError BAD_NAME, DRAINING
   */
  provide(rawName: string): SessionInstance {
    const name = normalName(rawName);
    const resident = this.pool.get(name);
    if (resident) return resident;
    if (this.#draining) {
      throw new RepriseError('DRAINING', 'this worker is shutting down', {
        hint: 'retry: another worker answers',
      });
    }
    const instance = new SessionInstance(name, this.#ports, (why, error) => {
      if (this.pool.get(name) === instance) this.pool.remove(name);
      this.#listener.onReleased(name);
      if (why === 'failed') this.#tellTrouble(name, RepriseError.from(error));
      this.#ports.log.debug(
        { session: name, why, error: error ? String(error) : undefined },
        'session released',
      );
    });
    this.pool.add(name, instance);
    this.#listener.onResident(name);
    return instance;
  }

  /** What will not pass by itself is not tried again at once, by anybody. */
  #tellTrouble(name: string, error: RepriseError): void {
    const { store, kernel, log } = this.#ports;
    if (error.retryable) return;
    store.trouble(name, kernel.version, error).catch((thrown) => {
      log.warn({ session: name, error: String(thrown) }, 'a session in trouble could not be noted');
    });
  }

  async getSession(name: string): Promise<SessionInstance> {
    const instance = this.provide(name);
    await instance.restored();
    return instance;
  }

  async executeCommand(sessionName: string, command: string): Promise<ExecuteResult> {
    return this.provide(sessionName).execute(command);
  }

  listSessions(): SessionMetadata[] {
    return this.pool.getAllMetadata().filter((metadata) => metadata.eventCount > 0);
  }

  async saveDirtySessions(): Promise<void> {
    await Promise.all(this.pool.getDirty().map((instance) => instance.save('save')));
  }

  /** Moves quiet sessions down the tiers; returns how many. Called every second or so. */
  async putAway(): Promise<number> {
    const { maxSessions, parkAfterMs, passivateAfterMs } = this.#settings;
    const now = this.#ports.clock.now();
    let surplus = this.pool.size() - maxSessions;
    let putAway = 0;
    for (const instance of this.pool.getAll()) {
      const quietMs = now - instance.getLastAccessTime();
      if (instance.busy) continue;
      if (instance.isNew) {
        if (quietMs > 1_000) instance.retire();
      } else if ((surplus > 0 || quietMs > passivateAfterMs) && !instance.isNeeded(now + WAKE_SOON_MS)) {
        surplus--;
        putAway++;
        await this.#passivate(instance);
      } else if (quietMs > parkAfterMs && !instance.parked) {
        putAway++;
        await this.#quietly(instance, () => instance.save('park'));
        await this.#quietly(instance, () => instance.park());
      }
    }
    return putAway;
  }

  /** Saves and hands back every session; new ones are refused from now on. Cells that run get `graceMs`. */
  async shutdown(graceMs = 5_000): Promise<void> {
    this.#draining = true;
    const giveUp = this.#ports.clock.now() + graceMs;
    const pause = () => new Promise<void>((resolve) => this.#ports.clock.setTimer(resolve, 10));
    await Promise.all(
      this.pool.getAll().map(async (instance) => {
        // A cell that awaits is no hindrance: its session goes on elsewhere, with the answers it has.
        while (instance.busy && this.#ports.clock.now() < giveUp) await pause();
        if (instance.busy) instance.retire();
        else await this.#passivate(instance);
      }),
    );
  }

  async #passivate(instance: SessionInstance): Promise<void> {
    if (!instance.isNew) await this.#quietly(instance, () => instance.save('park'));
    if (!instance.busy || this.#draining) instance.retire();
  }

  /** A session that fails while it is put away is no reason to stop: the log has it. */
  async #quietly(instance: SessionInstance, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#ports.log.warn({ session: instance.name, error: String(error) }, 'session could not be saved');
    }
  }
}
