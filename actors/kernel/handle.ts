/**
 * One kernel, in the hands of whoever opened it: a session's own, or a scratch one that is thrown away. Nobody else
 * can reach it, and what is asked of it after it was closed fails.
 */
import type { Evaluated } from '../../bus/operations/looks.ts';
import type {
  EvaluationStep,
  HeapImage,
  InspectReport,
  KernelHost,
  KernelStep,
  OpenFrom,
  Printed,
  Turn,
} from './port.ts';

let opened = 0;

export class KernelHandle {
  readonly #host: KernelHost;
  readonly #key: string;

  private constructor(host: KernelHost, key: string) {
    this.#host = host;
    this.#key = key;
  }

  /**
   * @param label for logs: whose it is
   * @throws RepriseError CORRUPT when an image fails its hash, or is another heap than the one that is named
   */
  static async open(host: KernelHost, from: OpenFrom, label: string): Promise<KernelHandle> {
    opened += 1;
    const handle = new KernelHandle(host, `${label}#${opened}`);
    await host.open(handle.#key, from);
    return handle;
  }

  /** Applies one step. @throws as `KernelHost.apply` */
  apply(step: KernelStep, hear?: (printed: Printed) => void): Promise<Turn> {
    return this.#host.apply(this.#key, step, hear);
  }

  /** Applies steps that have happened before. @throws as `KernelHost.apply` */
  applyAll(steps: readonly KernelStep[]): Promise<Turn[]> {
    return this.#host.applyAll(this.#key, steps);
  }

  /** The heap as it is now. */
  capture(): Promise<HeapImage> {
    return this.#host.capture(this.#key);
  }

  /** Variables, previews, stateId; changes nothing. */
  look(): Promise<InspectReport> {
    return this.#host.inspect(this.#key);
  }

  /** Runs code on a throwaway copy; changes nothing. @throws as `KernelHost.apply` */
  evaluate(step: EvaluationStep): Promise<Evaluated> {
    return this.#host.evaluate(this.#key, step);
  }

  complete(code: string, cursor: number): Promise<{ completions: string[]; from: number }> {
    return this.#host.complete(this.#key, code, cursor);
  }

  /** Strikes the turn that runs, if any. */
  interrupt(): void {
    this.#host.interrupt(this.#key);
  }

  /** Keeps the pages, frees the instance for others; the next step brings it back. */
  park(): Promise<void> {
    return this.#host.park(this.#key);
  }

  close(): void {
    this.#host.drop(this.#key);
  }
}
