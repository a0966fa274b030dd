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

export type Op =
  | ['inc']
  | ['print', text: string]
  /** Waits for a timer. */
  | ['sleep', ms: number]
  /** Waits for a model. */
  | ['llm', prompt: string, delayMs: number]
  /** Waits for both. */
  | ['both', ms: number, prompt: string]
  /** Increments in the background. */
  | ['later', ms: number]
  | ['compute', ms: number]
  | ['throw', message: string]
  | ['exit']
  /** Breaks the heap: the turn is undone. */
  | ['poison']
  /** Hangs in a built-in until the watchdog comes. */
  | ['hang'];

interface Heap {
  boot: BootParameters;
  n: number;
  cells: number;
  cell: number | null;
  ops: Op[];
  awaited: number[];
  background: number[];
  effects: number;
  heard: string[];
  timeMs: number;
}

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

type Failure = { name: string; message: string; stack: string };

class Struck extends Error {
  readonly strike: Strike;
  constructor(strike: Strike) {
    super('struck');
    this.strike = strike;
  }
}
class Poisoned extends Error {}

const failureOf = (name: string, message: string): Failure => ({
  name,
  message,
  stack: `${name}: ${message}`,
});
const ENDS = {
  user: failureOf('InterruptedError', 'interrupted'),
  timeout: failureOf('TimeoutError', 'out of time'),
};
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
          else perform(heap, op, turn);
          if (turn.error || turn.exit) break;
        }
      }
    } catch (thrown) {
      if (thrown instanceof Poisoned) {
        turn.poisoned = true;
        turn.error = failureOf('MemoryError', 'out of memory');
        turn.requests = [];
        turn.cancelled = [];
        turn.exit = false;
      } else if (thrown instanceof Struck) {
        turn.struck = thrown.strike;
        turn.error = ENDS[thrown.strike.reason];
      } else throw thrown;
    }
    const ended = turn.result !== undefined || turn.error !== undefined || turn.exit;
    if (ended) {
      heap.cell = null;
      heap.ops = [];
      heap.awaited = [];
    }
    turn.status = hadCell && ended ? 'done' : heap.cell === null ? 'idle' : 'waiting';
    turn.durationMs = this.#clock.now() - started;
    return turn;
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

function freshHeap(boot: BootParameters): Heap {
  return {
    boot,
    n: 0,
    cells: 0,
    cell: null,
    ops: [],
    awaited: [],
    background: [],
    effects: 0,
    heard: [],
    timeMs: boot.createdMs,
  };
}

/** Lets the step in; a step that failed is only written down. */
function enter(heap: Heap, step: KernelStep, turn: Turn): void {
  if (step.type === 'input') {
    heap.cells += 1;
    heap.cell = step.cell;
    heap.ops = parseOps(step.code);
  } else if (step.type === 'answer') {
    if (heap.background.includes(step.effect)) {
      heap.background = heap.background.filter((one) => one !== step.effect);
      if (!step.failed) heap.n += 1;
    } else if (!heap.awaited.includes(step.effect)) {
      throw new Error(`nobody asked for effect ${step.effect}`);
    }
    heap.awaited = heap.awaited.filter((one) => one !== step.effect);
    heap.heard = [...heap.heard, JSON.stringify(step.error ?? step.value ?? null)].slice(-3);
  } else if (heap.cell !== null) {
    turn.error = ENDS[step.reason];
    turn.cancelled.push(...heap.awaited);
  }
  if (step.failed) turn.error = step.failed;
}

function perform(heap: Heap, op: Op, turn: Turn): void {
  const ask = (kind: string, payload: { [key: string]: string | number }) => {
    const effect = ++heap.effects;
    turn.requests.push({ effect, kind, payload });
    return effect;
  };
  const timer = (ms: number) => ask('timer', { delayMs: ms, dueMs: heap.timeMs + ms });
  switch (op[0]) {
    case 'inc':
      heap.n += 1;
      return;
    case 'print':
      turn.outputs.push({ stream: 'stdout', level: 'log', text: `${op[1]} ${heap.n}` });
      return;
    case 'sleep':
      heap.awaited.push(timer(op[1]));
      return;
    case 'llm':
      heap.awaited.push(ask('llm', { prompt: op[1], model: 'echo', delayMs: op[2] }));
      return;
    case 'both':
      heap.awaited.push(timer(op[1]), ask('llm', { prompt: op[2], model: 'echo' }));
      return;
    case 'later':
      heap.background.push(timer(op[1]));
      return;
    case 'throw':
      turn.error = failureOf('Error', op[1]);
      return;
    case 'exit':
      turn.exit = true;
      turn.result = { text: String(heap.n) };
      return;
    case 'poison':
      heap.n += 1_000;
      throw new Poisoned();
  }
}

function parseOps(code: string): Op[] {
  return code === '' ? [] : (JSON.parse(code) as Op[]);
}
