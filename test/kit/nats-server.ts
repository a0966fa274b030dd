/** A real nats-server for one test: free port, temporary data folder, and every way to harm it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder, findHome } from '../../actors/supervisor/home.ts';
import { provideNatsServer } from '../../actors/supervisor/nats-server/provide.ts';
import { freeze } from './frozen.ts';

export interface NatsOptions {
  /** Path of the binary; default: $REPRISE_TEST_NATS, then PATH, then what the product itself provides. */
  binary?: string;
  /** Text of a server configuration file (accounts, limits…). Address, port and store folder are ours. */
  config?: string;
  /** With JetStream; default true. */
  jetstream?: boolean;
}

export interface NatsServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Folder of the JetStream data; survives `kill9` and `restart`, goes with `stop`. */
  readonly storeDir: string;
  /** Ends the server and removes its data. Idempotent. */
  stop(): Promise<void>;
  /** kill -9; resolves when the process is gone. */
  kill9(): Promise<void>;
  /** Starts it again on the same port and data (after `kill9`, or ending it first). */
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open, nothing answers; resolves when it has taken effect. */
  pause(): Promise<void>;
  /** SIGCONT */
  resume(): void;
}

/**
 * Starts a server and waits until it takes connections.
 * @throws Error with the server's own output when it ends at once.
 */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const binary = options.binary ?? (await natsBinary());
  const dir = await mkdtemp(join(tmpdir(), 'reprise-nats-'));
  const configFile = join(dir, 'server.conf');
  await writeFile(configFile, options.config ?? '');
  let running = await launch(-1);
  const { port } = running;

  async function launch(wanted: number): Promise<{ child: ChildProcess; port: number }> {
    const args = ['-c', configFile, '-a', '127.0.0.1', '-p', String(wanted)];
    if (options.jetstream ?? true) args.push('-js', '-sd', join(dir, 'data'));
    return listening(spawn(binary, args, { stdio: ['ignore', 'ignore', 'pipe'] }));
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const { child } = running;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    if (signal !== 'SIGKILL') child.kill('SIGCONT'); // a paused server cannot hear it otherwise
    await exit;
  }

  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    get pid() {
      return running.child.pid!;
    },
    storeDir: join(dir, 'data'),
    async stop() {
      await end('SIGKILL');
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
    kill9: () => end('SIGKILL'),
    async restart() {
      await end('SIGTERM');
      running = await launch(port);
    },
    pause: () => freeze(running.child.pid!),
    resume: () => void running.child.kill('SIGCONT'),
  };
}

/** The server binary that tests use. @throws RepriseError UNAVAILABLE when there is none to be had. */
export async function natsBinary(): Promise<string> {
  const { env } = process;
  if (env.REPRISE_TEST_NATS) return env.REPRISE_TEST_NATS;
  return (await provideNatsServer({ env, cacheDir: cacheFolder(env, findHome(env)) })).binary;
}

function listening(child: ChildProcess): Promise<{ child: ChildProcess; port: number }> {
  return new Promise((resolve, reject) => {
    let output = '';
    let port = 0;
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`nats-server ended with ${code}:\n${output}`)));
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      if (port < 0) return; // ready: keep the pipe flowing, keep nothing
      output += text;
      const match = /Listening for client connections on [^\n]*:(\d+)\n/.exec(output);
      if (!match || !output.includes('Server is ready')) return;
      child.removeAllListeners('exit');
      child.removeAllListeners('error');
      resolve({ child, port: Number(match[1]) });
      port = -1;
      output = '';
    });
  });
}
