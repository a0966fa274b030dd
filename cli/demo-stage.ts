/** Where the demo plays: a data folder of its own, printed chapters, checks, and an orderly end. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { ProcessManager } from '../actors/supervisor/process-manager.ts';
import type { SessionClient } from '../bus/client/client.ts';
import { formatDuration } from './duration.ts';
import type { Terminal } from './terminal.ts';

/** A claim of the demo that did not hold. */
export class ClaimFailed extends Error {
  readonly actual: unknown;
  readonly expected: unknown;

  constructor(claim: string, actual: unknown, expected: unknown) {
    super(`this does not hold: ${claim}`);
    this.name = 'ClaimFailed';
    this.actual = actual;
    this.expected = expected;
  }
}

export interface StageOptions {
  terminal: Terminal;
  system: ProcessManager;
  /** Connects to the system that runs. */
  connect: () => Promise<SessionClient>;
  /** Aborts when the demo is given up. */
  signal: AbortSignal;
}

export class Stage {
  readonly system: ProcessManager;
  readonly connect: () => Promise<SessionClient>;
  readonly signal: AbortSignal;
  /** Set by the first chapter. */
  sessions!: SessionClient;
  /** Claims checked so far. */
  checked = 0;
  readonly #terminal: Terminal;
  #chapters = 0;

  constructor(options: StageOptions) {
    this.#terminal = options.terminal;
    this.system = options.system;
    this.connect = options.connect;
    this.signal = options.signal;
  }

  async chapter(title: string, play: (stage: Stage) => Promise<void>): Promise<void> {
    const { bold, dim } = this.#terminal.palette;
    this.#chapters += 1;
    this.#terminal.out(`\n${bold(`${this.#chapters}. ${title}`)}\n`);
    const started = performance.now();
    await play(this);
    this.#terminal.out(`${dim(`   (${formatDuration(performance.now() - started)})`)}\n`);
  }

  /** A cell, as it is sent. */
  cell(code: string): void {
    const { cyan } = this.#terminal.palette;
    const [first, ...rest] = code.split('\n');
    this.#terminal.out(`   ${cyan('>')} ${first}\n${rest.map((line) => `     ${line}\n`).join('')}`);
  }

  /** What came back. */
  result(text: string): void {
    this.#terminal.out(`${this.#terminal.palette.green(text.replace(/^/gm, '     '))}\n`);
  }

  tell(text: string): void {
    this.#terminal.out(`   ${this.#terminal.palette.dim(text)}\n`);
  }

  /** A claim whose checks have all passed. */
  holds(text: string): void {
    this.#terminal.out(`   ${this.#terminal.palette.green('✓')} ${text}\n`);
  }

  /** @throws ClaimFailed when the values differ. */
  equal<T>(actual: T, expected: T, claim: string): void {
    if (!isDeepStrictEqual(actual, expected)) throw new ClaimFailed(claim, actual, expected);
    this.checked += 1;
  }
}

/**
 * Makes a temporary data folder, hands it to `play`, and removes all of it again, also on Ctrl-C: processes
 * first, then the folder.
 */
export async function withTemporaryHome(
  terminal: Terminal,
  play: (home: string, signal: AbortSignal) => Promise<void>,
  clean: (home: string) => Promise<void>,
): Promise<void> {
  const home = await mkdtemp(path.join(tmpdir(), 'reprise-demo-'));
  // A start that is under way must not go on while its folder is removed.
  const abort = new AbortController();
  let cleaning: Promise<void> | undefined;
  const cleanUp = () => {
    abort.abort();
    cleaning ??= clean(home).finally(() => rm(home, { recursive: true, force: true }));
    return cleaning;
  };
  const stop = terminal.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], () => {
    terminal.err('\ncleaning up …\n');
    cleanUp().then(
      () => terminal.exit(130),
      () => terminal.exit(130),
    );
  });
  try {
    await play(home, abort.signal);
  } finally {
    await cleanUp();
    stop();
  }
}
