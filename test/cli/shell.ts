/** The real command line against a real system, in a data folder of its own. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const BIN = path.join(ROOT, 'cli', 'reprise.mjs');

export interface Outcome {
  /** Exit code; null when a signal ended the process. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** Text for standard input; it is closed after it. */
  stdin?: string;
  env?: Record<string, string | undefined>;
}

export class Shell {
  readonly home: string;
  readonly #started = new Set<ChildProcessWithoutNullStreams>();

  private constructor(home: string) {
    this.home = home;
  }

  static async open(): Promise<Shell> {
    return new Shell(await mkdtemp(path.join(tmpdir(), 'reprise-cli-')));
  }

  /** Environment of commands: no configuration of the machine leaks in. */
  environment(more: Record<string, string | undefined> = {}): NodeJS.ProcessEnv {
    const env: NodeJS.ProcessEnv = { ...process.env, REPRISE_HOME: this.home, ...more };
    for (const name of [
      'REPRISE_NATS_URL',
      'REPRISE_PREFIX',
      'NO_COLOR',
      'FORCE_COLOR',
      'NODE_TEST_CONTEXT',
    ]) {
      if (more[name] === undefined) delete env[name];
    }
    return env;
  }

  /** Starts `reprise <args>`; what still runs at `close`, because its test failed, is killed. */
  start(args: string[], env?: Record<string, string | undefined>): ChildProcessWithoutNullStreams {
    const child = spawn(process.execPath, [BIN, ...args], { cwd: ROOT, env: this.environment(env) });
    this.#started.add(child);
    child.once('close', () => this.#started.delete(child));
    return child;
  }

  /** Runs `reprise <args>` to its end. */
  async run(args: string[], options: RunOptions = {}): Promise<Outcome> {
    const child = this.start(args, options.env);
    child.stdin.on('error', () => {}); // it may end without reading
    child.stdin.end(options.stdin ?? '');
    return outcomeOf(child);
  }

  /** Runs it with --json, expects exit code `code`, and returns the parsed answer. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look at answers of every shape
  async json(args: string[], code = 0, options: RunOptions = {}): Promise<any> {
    const outcome = await this.run([...args, '--json'], options);
    if (outcome.code !== code) {
      throw new Error(`reprise ${args.join(' ')}: ${JSON.stringify(outcome)}, expected exit code ${code}`);
    }
    return JSON.parse(outcome.stdout);
  }

  /** Runs a shell script in which `reprise` is the command. */
  script(text: string): Promise<Outcome> {
    const command = `reprise() { "${process.execPath}" "${BIN}" "$@"; }`;
    const child = spawn('bash', ['-c', `${command}\n${text}`], { cwd: ROOT, env: this.environment() });
    child.stdin.end();
    return outcomeOf(child);
  }

  /** Ends the system and removes the folder. */
  async close(): Promise<void> {
    for (const child of this.#started) child.kill('SIGKILL');
    await this.run(['down']);
    await rm(this.home, { recursive: true, force: true });
  }
}

/** All that a process wrote, once it has ended. */
export function outcomeOf(child: ChildProcessWithoutNullStreams): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const text = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text.stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      text.stderr += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...text }));
  });
}
