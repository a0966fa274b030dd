/**
 * What `reprise verify` has verified: a file of the home, so that a later run need not do it again. It is a record
 * only: without it everything is verified once more.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { folderUnusable, type Home, makeFolder } from '../actors/supervisor/home.ts';
import type { VerifiedPlace } from '../bus/operations/looks.ts';

/** A place, and the seed of the schedule that was part of it. */
export interface VerifiedRecord extends VerifiedPlace {
  schedule?: string;
}

const VERSION = 1;
/** Between two writes, ms: a run over many sessions does not write the whole file for each. */
const EVERY_MS = 1_000;

export class VerifiedFile {
  readonly #home: Home;
  readonly #server: string;
  /** What this run has found out; null: no longer known to be right. */
  readonly #found = new Map<string, VerifiedRecord | null>();
  #writtenAt = performance.now();

  /** @param server which sessions: those of other servers are others, whatever their names are */
  constructor(home: Home, server: string) {
    this.#home = home;
    this.#server = server;
  }

  /** Where sessions were verified by earlier runs. */
  read(): Map<string, VerifiedRecord> {
    return new Map(this.#servers().get(this.#server) ?? []);
  }

  /** Takes note of a session; written once in a while, and by `save`. @throws as `save` */
  note(session: string, record: VerifiedRecord | null): void {
    this.#found.set(session, record);
    if (performance.now() - this.#writtenAt > EVERY_MS) this.save();
  }

  /**
   * Writes what was noted, beside what others wrote meanwhile; a reader sees the old file or the new one.
   * @throws RepriseError UNAVAILABLE when the home cannot be written
   */
  save(): void {
    if (this.#found.size === 0) return;
    const records = this.read();
    for (const [session, record] of this.#found) {
      if (record) records.set(session, record);
      else records.delete(session);
    }
    const servers = this.#servers().set(this.#server, [...records]);
    const draft = `${this.#file}.${process.pid}`;
    try {
      makeFolder(this.#home.root);
      writeFileSync(draft, `${JSON.stringify({ version: VERSION, servers: [...servers] })}\n`, {
        mode: 0o600,
      });
      renameSync(draft, this.#file);
    } catch (error) {
      throw folderUnusable(this.#home.root, error);
    }
    this.#found.clear();
    this.#writtenAt = performance.now();
  }

  get #file(): string {
    return path.join(this.#home.root, 'verified.json');
  }

  #servers(): Map<string, [session: string, record: VerifiedRecord][]> {
    try {
      const { version, servers } = JSON.parse(readFileSync(this.#file, 'utf8'));
      if (version !== VERSION) return new Map();
      for (const [server, records] of servers) {
        for (const [session, record] of records) {
          if (![server, session, record.hash, record.kernel].every((text) => typeof text === 'string')) {
            return new Map();
          }
        }
      }
      return new Map(servers);
    } catch {
      return new Map(); // not there, or of no use
    }
  }
}
