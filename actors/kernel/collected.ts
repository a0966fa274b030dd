/** What a turn sends out of the sandbox, gathered and bounded. Pure: the same emissions give the same turn. */
import type { Json } from '../../bus/types.ts';
import type { KernelLimits } from './limits.ts';
import type { KernelOutput, KernelRequest } from './port.ts';

interface EmittedError {
  name: string;
  message: string;
  stack: string;
}

type OutputLimits = Pick<KernelLimits, 'outputBytes' | 'outputPieces'>;

export class Collected {
  readonly outputs: KernelOutput[] = [];
  readonly #requests = new Map<number, KernelRequest>();
  readonly cancelled: number[] = [];
  result: { text: string; truncated?: boolean } | undefined;
  error: EmittedError | undefined;
  exit = false;
  settled = false;
  /** There are promises to look after when the jobs have run. */
  unheard = false;
  /** Names that the cell declared and left without a value. */
  unset: string[] | undefined;
  readonly #limits: OutputLimits;
  #keptBytes = 0;
  #droppedBytes = 0;

  constructor(limits: OutputLimits) {
    this.#limits = limits;
  }

  /** In the order in which they were made. */
  get requests(): KernelRequest[] {
    return [...this.#requests.values()];
  }

  /** Takes one emission of the prelude. */
  add(kind: string, payload: string): void {
    switch (kind) {
      case 'out':
        this.#write(JSON.parse(payload) as KernelOutput);
        break;
      case 'req':
        this.#request(JSON.parse(payload) as { effect: number; kind: string; payload: Json });
        break;
      case 'cancel':
        this.#cancel(JSON.parse(payload) as number);
        break;
      case 'result':
        this.result = JSON.parse(payload) as { text: string; truncated?: boolean };
        break;
      case 'error':
        this.error = JSON.parse(payload) as EmittedError;
        break;
      case 'exit':
        this.exit = true;
        break;
      case 'unheard':
        this.unheard = payload === 'true';
        break;
      case 'unset':
        this.unset = JSON.parse(payload) as string[];
        break;
      case 'settled':
        this.settled = true;
        break;
    }
  }

  /** Says what was dropped; call once, at the end of the turn. */
  finish(): void {
    if (this.#droppedBytes === 0) return;
    const { outputBytes, outputPieces } = this.#limits;
    const may = this.outputs.length < outputPieces ? `${outputBytes} bytes` : `${outputPieces} pieces`;
    const text = `[${this.#droppedBytes} bytes of output dropped: a turn may print ${may}]`;
    this.outputs.push({ stream: 'stderr', level: 'warn', text, truncated: true });
  }

  #request(request: KernelRequest): void {
    this.#requests.set(request.effect, request);
  }

  /** An effect that was asked for and given up in one turn never leaves the kernel. */
  #cancel(effect: number): void {
    if (!this.#requests.delete(effect)) this.cancelled.push(effect);
  }

  #write(output: KernelOutput): void {
    const bytes = Buffer.byteLength(output.text) + 1;
    if (this.#droppedBytes > 0) {
      this.#droppedBytes += bytes;
      return;
    }
    if (this.outputs.length >= this.#limits.outputPieces && !this.#joins(output)) {
      this.#droppedBytes = bytes;
      return;
    }
    const room = this.#limits.outputBytes - this.#keptBytes;
    this.#keptBytes += bytes;
    if (bytes <= room) {
      this.#append(output);
      return;
    }
    const text = cut(output.text, Math.max(room - 1, 0));
    this.#droppedBytes = bytes - Buffer.byteLength(text);
    if (text !== '') this.#append({ ...output, text, truncated: true });
  }

  /** Consecutive outputs of one kind become one. */
  #append(output: KernelOutput): void {
    const last = this.outputs.at(-1);
    if (last !== undefined && this.#joins(output)) {
      last.text += `\n${output.text}`;
      if (output.truncated) last.truncated = true;
    } else {
      this.outputs.push(output);
    }
  }

  #joins({ stream, level }: KernelOutput): boolean {
    const last = this.outputs.at(-1);
    return last !== undefined && last.stream === stream && last.level === level;
  }
}

/** The longest start of `text` that takes at most `maxBytes` of UTF-8 and splits no character. */
export function cut(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
