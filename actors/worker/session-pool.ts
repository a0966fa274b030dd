/** The sessions resident in a worker, least recently used first. */
import type { ISessionPool, SessionMetadata } from '../../bus/types.ts';
import type { SessionInstance } from './session-instance.ts';

export class SessionPool implements ISessionPool {
  readonly #sessions = new Map<string, SessionInstance>();

  /** Also marks the session as the most recently used. */
  get(name: string): SessionInstance | undefined {
    const instance = this.#sessions.get(name);
    if (instance) {
      this.#sessions.delete(name);
      this.#sessions.set(name, instance);
    }
    return instance;
  }

  /** Whether it is resident; that does not count as a use. */
  has(name: string): boolean {
    return this.#sessions.has(name);
  }

  add(name: string, instance: SessionInstance): void {
    this.#sessions.set(name, instance);
  }

  remove(name: string): boolean {
    return this.#sessions.delete(name);
  }

  /** Least recently used first. */
  getAll(): SessionInstance[] {
    return [...this.#sessions.values()];
  }

  getAllMetadata(): SessionMetadata[] {
    return this.getAll().map((instance) => instance.getMetadata());
  }

  getDirty(): SessionInstance[] {
    return this.getAll().filter((instance) => instance.isDirty());
  }

  clear(): void {
    this.#sessions.clear();
  }

  size(): number {
    return this.#sessions.size;
  }
}
