/** Where a session's kernel is: nowhere before the session was booted or opened, and after it was left. */
import { RepriseError } from '../../bus/errors.ts';
import type { EventOf } from '../../bus/types.ts';
import { BEHAVIOUR_VERSION } from '../kernel/behaviours.ts';
import { KernelHandle } from '../kernel/handle.ts';
import type { BootParameters, KernelHost, KernelStep, OpenFrom, Turn } from '../kernel/port.ts';
import type { ReplayKernel } from './replay.ts';

export class KernelSeat implements ReplayKernel {
  readonly version: string;
  readonly #host: KernelHost;
  readonly #label: string;
  #handle: KernelHandle | null = null;
  /** Grows whenever it is left: what was being opened meanwhile is not wanted any more. */
  #left = 0;

  /** @param label for logs: whose kernel it is */
  constructor(host: KernelHost, label: string) {
    this.version = host.version;
    this.#host = host;
    this.#label = label;
  }

  /** @throws RepriseError UNAVAILABLE while there is none */
  get kernel(): KernelHandle {
    if (this.#handle) return this.#handle;
    throw new RepriseError('UNAVAILABLE', 'the session is not in this kernel', {
      hint: 'open it again from its log',
    });
  }

  /** Takes the place of the kernel before. @throws RepriseError CORRUPT, as `KernelHandle.open` */
  async open(from: OpenFrom): Promise<void> {
    this.leave();
    const left = this.#left;
    const handle = await KernelHandle.open(this.#host, from, this.#label);
    if (left === this.#left) this.#handle = handle;
    else {
      handle.close();
      throw new RepriseError('UNAVAILABLE', 'the session was left meanwhile');
    }
  }

  /** @throws RepriseError BAD_FORMAT when a newer Reprise began the session */
  boot(event: EventOf<'session'>): Promise<void> {
    return this.open({ boot: bootParameters(event) });
  }

  async apply(step: KernelStep): Promise<Turn> {
    return this.kernel.apply(step);
  }

  async applyAll(steps: readonly KernelStep[]): Promise<Turn[]> {
    return this.kernel.applyAll(steps);
  }

  async stateId(): Promise<string> {
    return (await this.kernel.capture()).stateId;
  }

  interrupt(): void {
    this.#handle?.interrupt();
  }

  /** Closes the kernel, if there is one. */
  leave(): void {
    this.#left += 1;
    this.#handle?.close();
    this.#handle = null;
  }
}

function bootParameters({ id, origin = id, created, seed, version }: EventOf<'session'>): BootParameters {
  if (version > BEHAVIOUR_VERSION) {
    throw new RepriseError(
      'BAD_FORMAT',
      `the session was begun by a newer Reprise (its version is ${version}, this one knows ${BEHAVIOUR_VERSION})`,
      { hint: 'nothing was changed; upgrade, then try again' },
    );
  }
  return { sessionId: origin, createdMs: Date.parse(created), seed: seed ?? origin, version };
}
