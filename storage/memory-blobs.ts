/** Blobs in memory, for tests and simulations. */
import type { BlobStore } from './ports.ts';

/** The blob port in memory. */
export class MemoryBlobs implements BlobStore {
  readonly #blobs = new Map<string, Uint8Array>();

  async put(kind: string, key: string, bytes: Uint8Array): Promise<boolean> {
    const place = `${kind}.${key}`;
    if (this.#blobs.has(place)) return false;
    this.#blobs.set(place, bytes.slice());
    return true;
  }

  async get(kind: string, key: string): Promise<Uint8Array | null> {
    return this.#blobs.get(`${kind}.${key}`)?.slice() ?? null;
  }

  async remove(kind: string, keys: readonly string[]): Promise<number> {
    return keys.filter((key) => this.#blobs.delete(`${kind}.${key}`)).length;
  }

  async keys(kind: string): Promise<string[]> {
    const start = `${kind}.`;
    return [...this.#blobs.keys()].flatMap((place) =>
      place.startsWith(start) ? [place.slice(start.length)] : [],
    );
  }

  async removeScope(kind: string, scope: string): Promise<void> {
    for (const place of this.#blobs.keys()) {
      if (place.startsWith(`${kind}.${scope}.`)) this.#blobs.delete(place);
    }
  }

  async close(): Promise<void> {}
}
