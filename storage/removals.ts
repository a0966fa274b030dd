/**
 * Removing sessions. A removal has two parts: the session ends at once, its content goes in the background.
 *
 * 1. A record says what is about to happen (`removal`, by token and the position of the newest commit). Then a grave
 *    is dug behind that commit by compare-and-set: who owned the session is told that it is gone, and a session of the
 *    same name may begin. Whoever finds the record after a crash digs the grave if it is not there.
 * 2. The log is walked from its beginning, a chunk at a time: first what its commits name beside the log goes (images,
 *    receipts), then the chunk. So a removal that was cut short is taken up where it stopped, by any storage process.
 * 3. Large values, the grave and the record go last. Nothing behind the grave is ever touched.
 *
 * Images are shared by content. One that is some session's newest checkpoint stays; an older one that another log also
 * names goes, and that session then replays from further back.
 *
 * What forks go on from stays whole until the last of them is gone: the session has ended for everybody else, and its
 * record waits (`forks.ts`).
 *
 * What is still on its way must not stay behind. A model call without an answer has its receipt sealed: something else
 * takes its place, and since the first writer of a receipt wins, the answer cannot be stored any more. An image whose
 * commit comes too late goes when that commit is refused (`forgetImages`).
 */
import { decode, encode } from '../bus/codec.ts';
import { hasCode, RepriseError } from '../bus/errors.ts';
import { scopeOf } from '../bus/large.ts';
import type { RemovalProgress } from '../bus/operations/catalogue.ts';
import type { Clock } from '../bus/port.ts';
import type { StoredCommit } from '../bus/types.ts';
import type { BlobParts } from './blob-parts.ts';
import type { Forks } from './forks.ts';
import { forgetNamed } from './named-blobs.ts';
import type { Partials } from './partial.ts';
import type { BlobStore, Log, LogStore } from './ports.ts';
import type { SessionIndex } from './session-index.ts';

export interface RemovalPorts {
  log: LogStore;
  blobs: BlobStore;
  parts: BlobParts;
  index: SessionIndex;
  forks: Pick<Forks, 'held' | 'release'>;
  partials: Pick<Partials, 'left'>;
  clock: Clock;
  logger: Log;
}

/** What is known of a session when it ends. */
interface RemovalRecord {
  /** Of its large values; absent when its newest commit cannot be read. */
  scope?: string;
  /** Messages of its log, about. */
  total: number;
}

const KIND = 'removal';
/** Commits that go at once. */
const CHUNK = 512;
/** Messages looked at at once where nothing leads to them. */
const SCANNED = 64;
/** How often a session that goes on writing is tried to be ended. */
const TRIES_MAX = 100;
/** A removal that is done by then has been done when it is answered. */
const BRIEF_MS = 500;
/** How often is looked for removals that nobody goes on with, ms. */
const LOOK_EVERY_MS = 5_000;
/** The removals of one storage process. */
export class Removals {
  readonly #ports: RemovalPorts;
  readonly #underWay = new Map<string, Promise<void>>();
  /** Messages that were left of others' removals at the last look. */
  #left = new Map<string, number>();
  #nextLook: { cancel(): void } | null = null;
  #stopped = false;

  constructor(ports: RemovalPorts) {
    this.#ports = ports;
  }

  /** Takes up what other processes left undone, now and from time to time. */
  start(): void {
    this.#nextLook?.cancel();
    const again = () => {
      if (!this.#stopped) this.#nextLook = this.#ports.clock.setTimer(() => this.start(), LOOK_EVERY_MS);
    };
    this.#look().then(again, (thrown) => {
      this.#ports.logger.warn({ error: String(thrown) }, 'removals could not be looked for');
      again();
    });
  }

  /** Starts nothing more; what is under way stops at the end of its chunk, and others take it up. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#nextLook?.cancel();
    await Promise.all(this.#underWay.values());
  }

  /**
   * Ends a session and begins to remove it. False when there is no such session, and none is being removed.
   * @throws RepriseError of the stores
   */
  async begin(token: string): Promise<boolean> {
    const { log, blobs, clock } = this.#ports;
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const { position, scope, damaged } = await this.#newest(token);
      if (position === 0 && damaged) {
        await this.#removeUnburied(token, 0, { total: 0 });
        return true;
      }
      if (position === 0) return (await this.progress(token)) !== null;
      const key = `${token}.${position}`;
      const total = await log.count(token);
      const record: RemovalRecord = scope ? { scope, total } : { total };
      try {
        await blobs.put(KIND, key, encode(record));
        await log.bury(token, position);
      } catch (thrown) {
        if (!hasCode(thrown, 'FENCED', 'STORAGE_FULL')) throw thrown;
        await blobs.remove(KIND, [key]);
        if (thrown.code === 'FENCED') continue;
        await this.#removeUnburied(token, position, record);
        return true;
      }
      let timer: { cancel(): void } | undefined;
      const brief = new Promise<void>((resolve) => {
        timer = clock.setTimer(resolve, BRIEF_MS);
      });
      await Promise.race([this.#provide(key), brief]);
      timer?.cancel();
      return true;
    }
    throw new RepriseError('UNAVAILABLE', `session ${token} could not be ended: it goes on writing`);
  }

  /** Names of sessions whose removal is under way, with the position of the newest commit of the last of them. */
  async tokens(): Promise<Map<string, number>> {
    const ended = new Map<string, number>();
    for (const { token, position } of (await this.#ports.blobs.keys(KIND)).map(partsOf))
      ended.set(token, Math.max(position, ended.get(token) ?? 0));
    return ended;
  }

  /**
   * How far the removal of a session is; null when none is under way, or what is left stays for forks' sake.
   * @throws RepriseError of the stores
   */
  async progress(token: string): Promise<RemovalProgress | null> {
    const { log, blobs } = this.#ports;
    const keys = (await blobs.keys(KIND)).filter((key) => partsOf(key).token === token);
    if (keys.length === 0) return null;
    const records = await Promise.all(keys.map((key) => this.#record(key)));
    if (await this.#isHeld(records.flatMap((record) => record?.scope ?? []))) return null;
    const total = records.reduce((sum, record) => sum + (record?.total ?? 0), 0);
    return { left: Math.min(await log.count(token), total), total };
  }

  /** Of a damaged log the newest message counts, whatever it is; 0 where it has none, or older ones alone. */
  async #newest(token: string): Promise<{ position: number; scope?: string; damaged?: boolean }> {
    try {
      const last = await this.#ports.log.last(token);
      return last ? { position: last.position, scope: scopeOf(last.commit.head.id) } : { position: 0 };
    } catch (thrown) {
      if (!hasCode(thrown, 'CORRUPT')) throw thrown;
      return { position: await this.#ports.log.end(token), damaged: true };
    }
  }

  async #look(): Promise<void> {
    const { log, blobs, partials } = this.#ports;
    for (const token of await partials.left()) await this.begin(token);
    const left = new Map<string, number>();
    const keys = await blobs.keys(KIND);
    const held = keys.length > 0 ? await this.#ports.forks.held() : new Set();
    for (const key of keys) {
      if (this.#stopped || this.#underWay.has(key)) continue;
      const scope = held.size > 0 ? (await this.#record(key))?.scope : undefined;
      if (scope !== undefined && held.has(scope)) continue;
      const now = await log.count(partsOf(key).token);
      // Whoever is at it gets on between two looks.
      if (this.#left.get(key) === now) void this.#provide(key);
      else left.set(key, now);
    }
    this.#left = left;
  }

  /** The work of a removal: never rejects, for what fails is taken up by a later look. */
  #provide(key: string): Promise<void> {
    const known = this.#underWay.get(key);
    if (known) return known;
    const work = this.#remove(key)
      .catch((thrown) => {
        const { code, message } = RepriseError.from(thrown);
        this.#ports.logger.warn({ removal: key, code, error: message }, 'a removal was interrupted');
      })
      .finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, work);
    return work;
  }

  async #remove(key: string): Promise<void> {
    const { log, blobs, parts } = this.#ports;
    const record = await this.#record(key);
    if (!record) return;
    const { token, position } = partsOf(key);
    let grave = await log.grave(token, position);
    if (grave === null) {
      // Either it came to nothing, or all but the record is gone; or nobody had dug it yet.
      if ((await log.end(token)) !== position) {
        await blobs.remove(KIND, [key]);
        return;
      }
      grave = await log.bury(token, position);
    }
    if (!(await this.#finishBefore(token, position))) return;
    const kept = await this.#ports.index.newestCheckpoints();
    const scopes = new Set(record.scope ? [record.scope] : await this.#scopesBefore(token, grave));
    if (await this.#isHeld(scopes)) return;
    const places = await placesOf(log, token, position);
    const [first] = await log.scan(token, 0, 1, grave);
    // Of a damaged log the tails do not lead to everything.
    if (first && first.position < places[0]!) await this.#forgetLeft(token, grave, scopes, kept);
    for (let start = 0; start < places.length; start += CHUNK) {
      const chunk = places.slice(start, start + CHUNK);
      await forgetNamed(await readable(log, token, chunk), kept, parts);
      await log.purge(token, chunk.at(-1)! + 1);
      if (this.#stopped) return;
    }
    for (const scope of scopes) await parts.removeScope(scope);
    await log.purge(token, grave + 1);
    const freed = await this.#release(scopes);
    await blobs.remove(KIND, [key]);
    // What waited for this is gone on with: what it was a fork of, and later sessions of the name.
    for (const other of await blobs.keys(KIND)) {
      const scope = freed.size > 0 ? (await this.#record(other))?.scope : undefined;
      const isFreed = scope !== undefined && freed.has(scope);
      if (isFreed || partsOf(other).token === token) void this.#provide(other);
    }
  }

  /** @returns scopes of what the removed were forks of */
  async #release(scopes: Iterable<string>): Promise<Set<string>> {
    const freed: string[] = [];
    for (const scope of scopes) freed.push(...(await this.#ports.forks.release(scope)));
    return new Set(freed);
  }

  /** Whether forks go on from what is to be removed: it stays until they are gone. */
  async #isHeld(scopes: Iterable<string>): Promise<boolean> {
    const held = await this.#ports.forks.held();
    return [...scopes].some((scope) => held.has(scope));
  }

  /** Whose commits there are before a position. */
  async #scopesBefore(token: string, before: number): Promise<string[]> {
    const scopes = new Set<string>();
    for (let after = 0; ; ) {
      const found = await this.#ports.log.scan(token, after, SCANNED, before);
      for (const { commit } of found) if (commit) scopes.add(scopeOf(commit.head.id));
      if (found.length < SCANNED) return [...scopes];
      after = found.at(-1)!.position;
    }
  }

  /** Removes what messages before a position name beside the log, whether or not anything leads to them. */
  async #forgetLeft(
    token: string,
    before: number,
    scopes: Set<string>,
    kept: ReadonlySet<string>,
  ): Promise<void> {
    for (let after = 0; ; ) {
      const found = await this.#ports.log.scan(token, after, SCANNED, before);
      const commits: StoredCommit[] = [];
      for (const { position, sizeBytes, commit } of found) {
        if (!commit) continue;
        commits.push({ commit, position, sizeBytes });
        scopes.add(scopeOf(commit.head.id));
      }
      await forgetNamed(commits, kept, this.#ports.parts);
      if (found.length < SCANNED) return;
      after = found.at(-1)!.position;
    }
  }

  /**
   * Sessions of one name go in the order in which they were: what is purged behind an older one that has not been walked
   * through would take along the names of its images and receipts.
   * @returns whether none is left
   */
  async #finishBefore(token: string, position: number): Promise<boolean> {
    const { blobs } = this.#ports;
    const isBefore = (key: string) => {
      const other = partsOf(key);
      return other.token === token && other.position < position;
    };
    const older = (await blobs.keys(KIND)).filter(isBefore);
    older.sort((a, b) => partsOf(a).position - partsOf(b).position);
    for (const key of older) await this.#provide(key);
    return older.length === 0 || !(await blobs.keys(KIND)).some(isBefore);
  }

  /** Without a grave: on a full store, which has no room for one, or where a log has lost its end. All goes at once. */
  async #removeUnburied(token: string, position: number, { scope }: RemovalRecord): Promise<void> {
    const { log, parts, index } = this.#ports;
    if (!(await this.#finishBefore(token, position || Number.POSITIVE_INFINITY)))
      throw new RepriseError('UNAVAILABLE', 'an older session of the name is still being removed');
    const kept = await index.newestCheckpoints(token);
    const scopes = new Set(scope ? [scope] : []);
    if (await this.#isHeld(await this.#scopesBefore(token, Number.POSITIVE_INFINITY))) throw heldError(token);
    await this.#forgetLeft(token, Number.POSITIVE_INFINITY, scopes, kept);
    for (const each of scopes) await parts.removeScope(each);
    await log.remove(token);
    await this.#release(scopes);
  }

  async #record(key: string): Promise<RemovalRecord | null> {
    const bytes = await this.#ports.blobs.get(KIND, key);
    return bytes && (decode(bytes) as RemovalRecord);
  }
}

function heldError(token: string): RepriseError {
  return new RepriseError(
    'UNAVAILABLE',
    `forks go on from session ${token}, and it can only be removed whole`,
    {
      retryable: false,
      hint: 'nothing was changed; remove the forks first (`reprise tree` shows them)',
    },
  );
}

/** No token has a dot. */
function partsOf(key: string): { token: string; position: number } {
  const dot = key.lastIndexOf('.');
  return { token: key.slice(0, dot), position: Number(key.slice(dot + 1)) };
}

/** Where the commits of a log up to `newest` are, oldest first, as far as tails lead back and something is there. */
async function placesOf(log: LogStore, token: string, newest: number): Promise<number[]> {
  const places = [newest];
  for (let at = newest; ; ) {
    const [stored] = await readable(log, token, [at]);
    const tail = (stored?.commit.head.tail ?? []).filter((place) => place < at);
    places.push(...tail.reverse());
    if (tail.length === 0) return places.reverse();
    at = places.at(-1)!;
  }
}

/** The commits that can be read: of a damaged log, or one that is half removed, not all. */
async function readable(log: LogStore, token: string, places: number[]): Promise<StoredCommit[]> {
  try {
    return await log.at(token, places);
  } catch (thrown) {
    if (!hasCode(thrown, 'CORRUPT')) throw thrown;
    if (places.length === 1) return [];
    const half = places.length >> 1;
    return [
      ...(await readable(log, token, places.slice(0, half))),
      ...(await readable(log, token, places.slice(half))),
    ];
  }
}
