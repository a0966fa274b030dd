/** A session in a kernel host, driven step by step: numbers, times and cells count up by themselves. */
import { BEHAVIOUR_VERSION } from '../../actors/kernel/behaviours.ts';
import type { KernelHost, KernelStep, Turn } from '../../actors/kernel/port.ts';
import type { Json } from '../../bus/types.ts';

export const CREATED_MS = 1_700_000_000_000;

type InputExtras = Partial<Extract<KernelStep, { type: 'input' }>>;

export class KernelSession {
  readonly host: KernelHost;
  readonly name: string;
  /** All steps so far, as a log would have them. */
  readonly steps: KernelStep[] = [];
  seq = 0;
  cell = 0;

  constructor(host: KernelHost, name: string) {
    this.host = host;
    this.name = name;
  }

  /** Opens a new session; `seed` is all that distinguishes one from another. */
  static async open(host: KernelHost, name: string, seed = 'seed'): Promise<KernelSession> {
    await host.open(name, {
      boot: { sessionId: 'same', createdMs: CREATED_MS, seed, version: BEHAVIOUR_VERSION },
    });
    return new KernelSession(host, name);
  }

  run(code: string, extras: InputExtras = {}): Promise<Turn> {
    const seq = ++this.seq;
    return this.apply({
      type: 'input',
      seq,
      cell: ++this.cell,
      timeMs: CREATED_MS + seq * 1000,
      code,
      ...extras,
    });
  }

  answer(effect: number, value: Json, extras: Partial<KernelStep> = {}): Promise<Turn> {
    const seq = ++this.seq;
    return this.apply({
      type: 'answer',
      seq,
      timeMs: CREATED_MS + seq * 1000,
      effect,
      value,
      ...extras,
    } as KernelStep);
  }

  abandon(reason: 'user' | 'timeout'): Promise<Turn> {
    const seq = ++this.seq;
    return this.apply({ type: 'abandon', seq, timeMs: CREATED_MS + seq * 1000, reason });
  }

  apply(step: KernelStep): Promise<Turn> {
    this.steps.push(step);
    return this.host.apply(this.name, step);
  }

  /** Result text of a cell; throws when it failed. */
  async value(code: string): Promise<string> {
    const turn = await this.run(code);
    if (turn.error) throw new Error(`${turn.error.name}: ${turn.error.message}`);
    return turn.result?.text ?? '';
  }

  async stateId(): Promise<string> {
    return (await this.host.capture(this.name)).stateId;
  }
}

/** What must be equal between two runs of a turn. */
export function facts(turn: Turn): Omit<Turn, 'durationMs'> {
  const { durationMs: _, ...rest } = turn;
  return rest;
}
