/** Builds commits that storage accepts, one after the other, as a worker would. */
import { commitHash } from '../../bus/codec.ts';
import { climbed, type Rung } from '../../bus/ladder.ts';
import { sessionToken } from '../../bus/subjects.ts';
import type { Commit, CommitHead, SessionEvent } from '../../bus/types.ts';

export const KERNEL = 'k'.repeat(64);
const START_MS = Date.UTC(2026, 0, 1);
const TAIL_LENGTH = 32;

let made = 0;

/** An event without its seq: the writer numbers them. */
export type Draft = SessionEvent extends infer E ? (E extends unknown ? Omit<E, 'seq'> : never) : never;

export interface CommitOptions {
  kernel?: string;
  fold?: Uint8Array;
  head?: Partial<CommitHead>;
  commit?: string;
}

/** Knows what the next commit of a session must say. Committing is up to the test; it tells the outcome. */
export class SessionWriter {
  readonly name: string;
  readonly token: string;
  readonly created = iso(0);
  readonly id: string;
  /** Log position of the newest commit. */
  position = 0;
  seq = 0;
  #prev = '';
  #tail: number[] = [];
  #sizeBytes = 0;
  #checkpointCount = 0;
  #checkpoint: CommitHead['checkpoint'];
  #ladder: Rung[] = [];

  constructor(name: string) {
    this.name = name;
    this.token = sessionToken(name);
    this.id = `id-${this.token}`;
  }

  /** The session's next commit. It changes nothing here: call `wrote` when it is in the log. */
  next(drafts: Draft[] = this.counter(), options: CommitOptions = {}): Commit {
    made += 1;
    const events = drafts.map((draft, index) => ({ ...draft, seq: this.seq + index }) as SessionEvent);
    let checkpointCount = this.#checkpointCount;
    let sizeBefore = this.#sizeBytes;
    let checkpoint = this.#checkpoint;
    for (const event of events) {
      if (event.type !== 'checkpoint') continue;
      checkpointCount += 1;
      sizeBefore += event.sizeBytes ?? 0;
      checkpoint = { seq: event.seq, stateId: event.stateId };
    }
    const head: CommitHead = {
      name: this.name,
      id: this.id,
      created: this.created,
      at: iso(this.seq),
      checkpointCount,
      sizeBefore,
      tail: this.#tail,
      ...options.head,
    };
    if (checkpoint) head.checkpoint = checkpoint;
    if (checkpointCount > this.#checkpointCount && this.#nextLadder.length > 0)
      head.ladder = this.#nextLadder;
    return sealCommit({
      v: 1,
      session: this.token,
      commit: options.commit ?? `commit-${made}`,
      epoch: 1,
      first: this.seq,
      events,
      prev: this.#prev,
      kernel: options.kernel ?? KERNEL,
      head,
      ...(options.fold ? { fold: options.fold } : {}),
    });
  }

  /** Takes note that a commit of `next` is in the log. */
  wrote(commit: Commit, reply: { position: number; sizeBytes: number }): void {
    this.position = reply.position;
    this.seq = commit.first + commit.events.length;
    this.#prev = commit.hash;
    this.#tail = [...commit.head.tail, reply.position].slice(-TAIL_LENGTH);
    this.#sizeBytes = commit.head.sizeBefore + reply.sizeBytes;
    this.#checkpointCount = commit.head.checkpointCount;
    const { checkpoint } = commit.head;
    if (commit.head.ladder) this.#ladder = commit.head.ladder;
    this.#checkpoint = checkpoint && { ...checkpoint, position: checkpoint.position ?? reply.position };
  }

  get #nextLadder(): Rung[] {
    const { seq, position } = this.#checkpoint ?? {};
    if (seq === undefined || position === undefined) return this.#ladder;
    return climbed(this.#ladder, { number: this.#checkpointCount, seq, position });
  }

  /** Drafts of one pure cell; before the first, the `session` event. */
  counter(code = 'x = x + 1', value = String(this.seq)): Draft[] {
    const timestamp = iso(this.seq);
    const cell: Draft[] = [
      { type: 'input', code, timestamp, commandId: `cmd-${this.seq}` },
      { type: 'output', value, timestamp },
    ];
    return this.seq === 0 ? [this.begin(), ...cell] : cell;
  }

  begin(): Draft {
    return { type: 'session', version: 1, id: this.id, created: this.created, name: this.name };
  }
}

/** The commit with its hash, whatever it says. */
export function sealCommit(content: Omit<Commit, 'hash'>): Commit {
  return { ...content, hash: commitHash(content) };
}

export function iso(offsetMs: number): string {
  return new Date(START_MS + offsetMs).toISOString();
}
