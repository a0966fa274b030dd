/**
 * The sessions of one thread and the instances they run in. A session is resident (its heap is in an instance) or
 * parked (its changed pages are kept aside); `provide` brings it in, pushing out the least recently used.
 * Instances in use never hold two sessions; free ones hold the pristine heap.
 */
import { RepriseError } from '../../bus/errors.ts';
import { makeGuest } from './boot.ts';
import type { Guest, Pristine } from './guest.ts';
import { computeStateId, packImage, unpackImage } from './image.ts';
import type { KernelLimits } from './limits.ts';
import { findChanged, heapBytesOf, type Pages, putPages, resetPages, takePages } from './pages.ts';
import { type Parked, packParked, parkedBytes, unpackParked } from './parked.ts';
import type { HeapImage, KernelStep, OpenFrom, Turn } from './port.ts';
import { Scratch } from './scratch.ts';
import type { SessionState } from './session-state.ts';
import { applyStep, bootSession, skipTurn, type TurnControl } from './turn.ts';
import type { KernelWasm } from './wasm.ts';

/** An instance whose heap grew by more than this is not used again: its memory would never be given back. */
const REUSE_GROWTH_BYTES = 8 * 1024 * 1024;
/** Free instances kept for the next sessions: each holds a heap of some megabytes. */
const FREE_KEPT = 8;
/** Swapped-out sessions kept as plain pages; older ones are packed. */
const PLAIN_PARKED = 64;

/** All of a session, as it moves from thread to thread. */
export interface Luggage {
  pages: Pages;
  state: SessionState;
}

interface Resident {
  state: SessionState;
  guest: Guest | null;
  parked: Parked | null;
  /** Grows with every use. */
  used: number;
}

export interface ResidencySetup {
  wasm: KernelWasm;
  limits: KernelLimits;
  pristine: Pristine;
  kernel: string;
  /** Instances to keep at most. */
  capacity: number;
}

export class Residency {
  readonly #setup: ResidencySetup;
  readonly #sessions = new Map<string, Resident>();
  readonly #free: Guest[] = [];
  #instances = 0;
  readonly #scratch = new Scratch();
  /** Instances that were let go since `takeUnused` was last asked. */
  #unused = 0;
  #uses = 0;

  constructor(setup: ResidencySetup) {
    this.#setup = setup;
  }

  get counts(): { sessions: number; parked: number; parkedBytes: number; instances: number } {
    let parked = 0;
    let bytes = 0;
    for (const session of this.#sessions.values()) {
      if (session.parked === null) continue;
      parked++;
      bytes += parkedBytes(session.parked);
    }
    return { sessions: this.#sessions.size, parked, parkedBytes: bytes, instances: this.#instances };
  }

  /** How many instances were let go since the last call: their memory waits for a garbage collection. */
  takeUnused(): number {
    const unused = this.#unused;
    this.#unused = 0;
    return unused;
  }

  /** Makes one free instance, if there is none and room for one; true when it did. */
  warm(): boolean {
    if (this.#free.length > 0 || this.#instances >= this.#setup.capacity) return false;
    this.#free.push(this.#make());
    return true;
  }

  open(session: string, from: OpenFrom | { luggage: Luggage }): void {
    const { kernel, pristine } = this.#setup;
    if ('boot' in from) {
      this.drop(session);
      const guest = this.#acquire();
      this.#add(session, bootSession(guest, from.boot), guest);
      return;
    }
    const luggage = 'image' in from ? unpackImage(from.image, from.stateId, kernel, pristine) : from.luggage;
    this.drop(session);
    const guest = this.#acquire();
    putPages(guest, luggage.pages);
    this.#add(session, luggage.state, guest);
  }

  /** @throws whatever `applyStep` throws; the session is then gone, as it is after a poisoned turn. */
  apply(session: string, step: KernelStep, control: TurnControl): Turn {
    const { guest, state } = this.#provide(session);
    const { limits, pristine } = this.#setup;
    const before = step.failed
      ? { pages: takePages(guest, pristine, limits.stackBytes), state: structuredClone(state) }
      : null;
    let turn: Turn;
    try {
      turn = applyStep(guest, state, step, limits, control);
    } catch (thrown) {
      this.#discard(session);
      throw thrown;
    }
    if (!turn.poisoned) return turn;
    this.#discard(session);
    if (!before) return turn;
    // Not even its end could be written down in the guest, whose code may be what hinders it: the guest never hears of
    // the turn. Else nothing could ever follow it.
    this.open(session, { luggage: before });
    skipTurn(before.state, step);
    return { ...turn, poisoned: undefined };
  }

  capture(session: string): HeapImage {
    const { kernel, pristine } = this.#setup;
    const { pages, state, heapBytes } = this.peek(session);
    return { kernel, ...packImage(kernel, pages, state, pristine), heapBytes };
  }

  /** Content of a session without bringing it in or changing anything. The pages are valid until the next call. */
  peek(session: string): Luggage & { heapBytes: number; stateId: () => string } {
    const found = this.#find(session);
    const { kernel, pristine, limits } = this.#setup;
    const pages =
      found.guest === null
        ? unpackParked(found.parked!, pristine)
        : takePages(found.guest, pristine, limits.stackBytes, (bytes) => this.#scratch.take(bytes));
    const { state } = found;
    const heapBytes = heapBytesOf(pages, pristine);
    return { pages, state, heapBytes, stateId: () => computeStateId(kernel, pages, state, pristine) };
  }

  /** Runs `look` on a copy of a session's heap that is thrown away afterwards. */
  withCopy<T>(pages: Pages, look: (guest: Guest) => T): T {
    const guest = this.#acquire();
    let done = false;
    try {
      putPages(guest, pages);
      const result = look(guest);
      done = true;
      return result;
    } finally {
      if (done) this.#release(guest);
      else this.#letGo();
    }
  }

  /** Takes a session away, to be opened elsewhere. */
  release(session: string): Luggage {
    const found = this.#find(session);
    this.#swapOut(found);
    this.drop(session);
    return { pages: unpackParked(found.parked!, this.#setup.pristine), state: found.state };
  }

  park(session: string): void {
    const found = this.#find(session);
    const { guest } = found;
    const { pristine } = this.#setup;
    if (guest === null) {
      found.parked = packParked(found.parked!, pristine);
      return;
    }
    const { pages } = this.peek(session);
    found.parked = packParked({ pages }, pristine);
    found.guest = null;
    this.#release(guest, pages.indices);
  }

  drop(session: string): void {
    const found = this.#sessions.get(session);
    if (found === undefined) return;
    this.#sessions.delete(session);
    if (found.guest !== null) this.#release(found.guest);
  }

  has(session: string): boolean {
    return this.#sessions.has(session);
  }

  #add(session: string, state: SessionState, guest: Guest): void {
    this.#sessions.set(session, { state, guest, parked: null, used: ++this.#uses });
  }

  #find(session: string): Resident {
    const found = this.#sessions.get(session);
    if (found === undefined) {
      throw new RepriseError('UNAVAILABLE', 'the session is not in this kernel', {
        hint: 'open it again from its log',
      });
    }
    found.used = ++this.#uses;
    return found;
  }

  #provide(session: string): { guest: Guest; state: SessionState } {
    const found = this.#find(session);
    if (found.guest === null) {
      const guest = this.#acquire();
      putPages(guest, unpackParked(found.parked!, this.#setup.pristine));
      found.guest = guest;
      found.parked = null;
    }
    return { guest: found.guest, state: found.state };
  }

  /** A guest with the pristine heap. */
  #acquire(): Guest {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#instances < this.#setup.capacity) return this.#make();
    const oldest = this.#oldest((session) => session.guest !== null);
    if (oldest === undefined) return this.#make();
    this.#swapOut(oldest);
    const plain = [...this.#sessions.values()].filter((one) => one.parked !== null && 'pages' in one.parked);
    if (plain.length > PLAIN_PARKED) {
      const coldest = this.#oldest((one) => one.parked !== null && 'pages' in one.parked)!;
      coldest.parked = packParked(coldest.parked!, this.#setup.pristine);
    }
    return this.#free.pop() ?? this.#make();
  }

  #oldest(which: (session: Resident) => boolean): Resident | undefined {
    let oldest: Resident | undefined;
    for (const session of this.#sessions.values()) {
      if (which(session) && (oldest === undefined || session.used < oldest.used)) oldest = session;
    }
    return oldest;
  }

  #make(): Guest {
    this.#instances++;
    return makeGuest(this.#setup.wasm, this.#setup.limits, this.#setup.pristine);
  }

  #swapOut(session: Resident): void {
    const { guest } = session;
    if (guest === null) return;
    const pages = takePages(guest, this.#setup.pristine, this.#setup.limits.stackBytes);
    session.parked = { pages };
    session.guest = null;
    this.#release(guest, pages.indices);
  }

  /** Makes a guest pristine and free, or lets it go: when it grew large, or when there are enough. */
  #release(guest: Guest, changed?: number[]): void {
    const { pristine, limits } = this.#setup;
    const large = guest.heapEnd > pristine.bytes.length + REUSE_GROWTH_BYTES;
    if (large || this.#free.length >= FREE_KEPT) {
      this.#letGo();
      return;
    }
    resetPages(guest, pristine, changed ?? findChanged(guest, pristine, limits.stackBytes));
    this.#free.push(guest);
  }

  /** Forgets a session together with its instance, which is in an unknown state. */
  #discard(session: string): void {
    this.#sessions.delete(session);
    this.#letGo();
  }

  #letGo(): void {
    this.#instances--;
    this.#unused++;
  }
}
