/**
 * A kernel for simulations: cells are lists of small operations in JSON, the heap is one object, and computing
 * takes virtual time. Deterministic as the real one: same boot and same steps give same turns and `stateId`s.
 */
import type {
  BootParameters,
  HeapImage,
  InspectReport,
  KernelHost,
  KernelStep,
  Strike,
  Turn,
} from '../../actors/kernel/port.ts';
import { decode, encode, sha256 } from '../../bus/codec.ts';
import { RepriseError } from '../../bus/errors.ts';
import type { Clock } from '../../bus/port.ts';
import { ENDS, enter, failureOf, freshHeap, type Heap, Poisoned, perform } from './toy-heap.ts';

interface Resident {
  heap: Heap;
  queue: Promise<unknown>;
  computing: (() => void) | null;
  applying: boolean;
  interrupted: boolean;
  dead: boolean;
  die: (error: RepriseError) => void;
  death: Promise<never>;
}

class Struck extends Error {
  readonly strike: Strike;
  constructor(strike: Strike) {
    super('struck');
    this.strike = strike;
  }
}
const gone = () => new RepriseError('UNAVAILABLE', 'the session is not in this kernel');

export const TOY_VERSION = 'toy-1';
const HANG_MS = 300;

export class ToyKernel implements KernelHost {
  readonly version = TOY_VERSION;
  readonly #clock: Clock;
  readonly #hopMs: () => number;
  readonly #sessions = new Map<string, Resident>();
  #closed = false;

  /** @param hopMs how long the next call takes to reach the kernel's thread */
  constructor(clock: Clock, hopMs: () => number = () => 0) {
    this.#clock = clock;
    this.#hopMs = hopMs;
  }

  async open(session: string, from: { boot: BootParameters } | { image: Uint8Array }): Promise<void> {
    this.drop(session);
    if (this.#closed) throw new RepriseError('CLOSED', 'the kernel is closed');
    let die: Resident['die'] = () => {};
    const death = new Promise<never>((_, reject) => {
      die = reject;
    });
    death.catch(() => {});
    const heap = 'image' in from ? (decode(from.image) as Heap) : freshHeap(from.boot);
    const resident: Resident = {
      heap,
      queue: Promise.resolve(),
      computing: null,
      applying: false,
      interrupted: false,
      dead: false,
      die,
      death,
    };
    this.#sessions.set(session, resident);
    await this.#call(session, async () => {});
  }

  async apply(session: string, step: KernelStep): Promise<Turn> {
    return this.#call(
      session,
      async (resident) => {
        const before = structuredClone(resident.heap);
        const turn = await this.#turn(resident, step);
        if (turn === null) {
          resident.heap = before;
          this.#lose(session, resident);
          const hint = 'open the session again and apply the step with `failed`';
          throw new RepriseError('UNAVAILABLE', 'the turn hung', { retryable: false, hint });
        }
        if (turn.poisoned) this.#lose(session, resident);
        return turn;
      },
      true,
    );
  }

  async applyAll(session: string, steps: readonly KernelStep[]): Promise<Turn[]> {
    const turns: Turn[] = [];
    for (const step of steps) {
      turns.push(await this.apply(session, step));
      if (turns.at(-1)!.poisoned) break;
    }
    return turns;
  }

  capture(session: string): Promise<HeapImage> {
    return this.#call(session, async ({ heap }) => {
      const bytes = encode(heap);
      return { kernel: this.version, stateId: sha256(bytes), bytes, heapBytes: bytes.byteLength };
    });
  }

  inspect(session: string): Promise<InspectReport> {
    return this.#call(session, async ({ heap }) => {
      const preview = String(heap.n);
      const bytes = encode(heap);
      return {
        variables: [{ name: 'n', type: 'number', preview, kind: 'let' }],
        heapBytes: bytes.byteLength,
        stateId: sha256(bytes),
        cells: heap.cells,
      };
    });
  }

  evaluate(): Promise<never> {
    return Promise.reject(new RepriseError('BAD_REQUEST', 'cells of a toy are no code'));
  }

  complete(session: string, code: string, cursor: number): Promise<{ completions: string[]; from: number }> {
    return this.#call(session, async () => ({ completions: [code.slice(0, cursor)], from: 0 }));
  }

  interrupt(session: string): void {
    const resident = this.#sessions.get(session);
    if (!resident?.applying) return;
    resident.interrupted = true;
    resident.computing?.();
  }

  async park(session: string): Promise<void> {
    await this.#call(session, async () => {});
  }

  drop(session: string): void {
    this.#sessions.delete(session);
  }

  /** As when a thread ends: all sessions are lost, whatever runs is told. */
  crash(): void {
    for (const [session, resident] of [...this.#sessions]) {
      this.#lose(session, resident);
      resident.die(gone());
    }
  }

  stats(): ReturnType<KernelHost['stats']> {
    return { sessions: this.#sessions.size, parked: 0, parkedBytes: 0, instances: 0, threads: 1 };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.crash();
  }

  #lose(session: string, resident: Resident): void {
    resident.dead = true;
    if (this.#sessions.get(session) === resident) this.#sessions.delete(session);
  }

  #call<T>(session: string, work: (resident: Resident) => Promise<T>, applying = false): Promise<T> {
    const resident = this.#sessions.get(session);
    if (!resident) return Promise.reject(gone());
    if (applying) {
      resident.applying = true;
      resident.interrupted = false;
    }
    const done = resident.queue.then(async () => {
      const hopMs = this.#hopMs();
      if (hopMs > 0) await this.#wait(hopMs);
      if (resident.dead) throw gone();
      return work(resident);
    });
    resident.queue = done.catch(() => {});
    return Promise.race([done, resident.death]).finally(() => {
      if (applying) resident.applying = false;
    });
  }

  #wait(ms: number, resident?: Resident): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(wake, ms);
      function wake() {
        timer.cancel();
        if (resident) resident.computing = null;
        resolve();
      }
      if (resident) resident.computing = wake;
    });
  }

  /** null: it hung. */
  async #turn(resident: Resident, step: KernelStep): Promise<Turn | null> {
    const { heap } = resident;
    const started = this.#clock.now();
    const turn: Turn = {
      status: 'idle',
      outputs: [],
      requests: [],
      cancelled: [],
      exit: false,
      fuel: 0,
      heapBytes: 1,
      durationMs: 0,
    };
    heap.timeMs = step.timeMs;
    const hadCell = step.type === 'input' || heap.cell !== null;
    try {
      enter(heap, step, turn);
      if (turn.error === undefined) {
        while (heap.cell !== null && heap.awaited.length === 0) {
          const op = heap.ops.shift();
          if (op === undefined) {
            turn.result = { text: String(heap.n) };
            break;
          }
          if (op[0] === 'hang') {
            await this.#wait(HANG_MS);
            return null;
          }
          if (op[0] === 'compute') await this.#compute(resident, op[1], step, turn);
          else if (op[0] === 'fragile') await this.#fragile(resident, op[1], step, turn);
          else perform(heap, op, turn);
          if (turn.error || turn.exit) break;
        }
      }
    } catch (thrown) {
      if (thrown instanceof Poisoned) {
        turn.poisoned = true;
        turn.struck = thrown.strike;
        turn.error = failureOf('MemoryError', 'out of memory');
        turn.requests = [];
        turn.cancelled = [];
        turn.exit = false;
      } else if (thrown instanceof Struck) {
        turn.struck = thrown.strike;
        turn.error = ENDS[thrown.strike.reason];
      } else throw thrown;
    }
    // As in the real kernel: exit() in a callback leaves the cell waiting.
    const ended = turn.result !== undefined || turn.error !== undefined;
    if (ended) {
      heap.cell = null;
      heap.ops = [];
      heap.awaited = [];
    }
    turn.status = hadCell && ended ? 'done' : heap.cell === null ? 'idle' : 'waiting';
    turn.durationMs = this.#clock.now() - started;
    return turn;
  }

  async #fragile(resident: Resident, ms: number, step: KernelStep, turn: Turn): Promise<void> {
    try {
      await this.#compute(resident, ms, step, turn);
    } catch (thrown) {
      throw thrown instanceof Struck ? new Poisoned(thrown.strike) : thrown;
    }
  }

  async #compute(resident: Resident, ms: number, step: KernelStep, turn: Turn): Promise<void> {
    if (step.type === 'abandon') return;
    const { strike, timeoutMs = 30_000 } = step;
    const started = this.#clock.now();
    if (strike) {
      const left = strike.fuel - turn.fuel;
      await this.#wait(Math.min(ms, left));
      turn.fuel += Math.min(ms, left);
      if (ms >= left) throw new Struck(strike);
      return;
    }
    const left = timeoutMs - turn.fuel;
    if (!resident.interrupted) await this.#wait(Math.min(ms, left), resident);
    if (resident.interrupted) {
      const elapsed = Math.min(ms, Math.max(1, Math.floor(this.#clock.now() - started)));
      turn.fuel += elapsed;
      throw new Struck({ reason: 'user', fuel: turn.fuel });
    }
    turn.fuel += Math.min(ms, left);
    if (ms >= left) throw new Struck({ reason: 'timeout', fuel: turn.fuel });
  }
}
