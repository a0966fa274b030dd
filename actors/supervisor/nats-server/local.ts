/** The local nats-server of a home: its port, its configuration file, and how to tell that it answers. */
import { randomBytes, randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import type { LaunchPlan } from '../child.ts';
import type { Home } from '../home.ts';
import { withoutSecrets } from '../roles.ts';
import { type Credentials, type Durability, SERVER_ENVIRONMENT, serverConfig } from './config.ts';

const HOST = '127.0.0.1';

export interface LocalServerOptions {
  home: Home;
  env: NodeJS.ProcessEnv;
  binary: string;
  version: string;
  prefix: string;
  durability: Durability;
  /** Asked at each start: the server that runs may be of a time before it had all the users. */
  provideCredentials: () => Credentials;
}

export class LocalServer {
  readonly #options: LocalServerOptions;
  port: number;
  /** Announced by the server; tells it from a stranger on the same port. */
  name: string;
  /** The users that the server knows. */
  credentials: Credentials;

  /** `running`: port, name and users of a server to take over. */
  constructor(
    options: LocalServerOptions,
    running?: { port: number; name: string; credentials: Credentials },
  ) {
    this.#options = options;
    this.credentials = running?.credentials ?? options.provideCredentials();
    this.port = running?.port ?? lastPort(options.home);
    this.name = running?.name ?? `reprise-${randomBytes(6).toString('hex')}`;
  }

  get binary(): string {
    return this.#options.binary;
  }

  get url(): string {
    return `nats://${HOST}:${this.port}`;
  }

  /**
   * Writes the configuration, on the same port as before if it is free, and says how to start the server.
   * @throws RepriseError UNAVAILABLE when this version cannot do what is asked
   */
  async plan(): Promise<LaunchPlan> {
    const { home, binary, env, provideCredentials, ...settings } = this.#options;
    this.credentials = provideCredentials();
    if (!(await isSoonFree(this.port))) this.port = await freePort();
    const config = serverConfig({
      ...settings,
      credentials: this.credentials,
      serverName: this.name,
      host: HOST,
      port: this.port,
      storeDir: path.join(home.nats, 'data'),
    });
    mkdirSync(home.nats, { recursive: true, mode: 0o700 });
    const file = path.join(home.nats, 'server.conf');
    writeFileSync(`${file}.new`, config, { mode: 0o600 });
    renameSync(`${file}.new`, file);
    writeFileSync(path.join(home.nats, 'port'), String(this.port));
    return {
      file: binary,
      args: ['-c', file],
      cwd: home.nats,
      env: { ...withoutSecrets(env), ...SERVER_ENVIRONMENT },
    };
  }

  /** True once this very server takes connections (JetStream has recovered by then). */
  async answers(): Promise<boolean> {
    return (await probe(this.port))?.server_name === this.name;
  }
}

/** Port of the last start, so that a restart keeps the address; 0 when there was none. */
function lastPort(home: Home): number {
  try {
    const port = Number(readFileSync(path.join(home.nats, 'port'), 'utf8'));
    return Number.isInteger(port) && port > 0 && port < 65_536 ? port : 0;
  } catch {
    return 0;
  }
}

/** A server that was just killed may hold its port for a moment longer. */
async function isSoonFree(port: number): Promise<boolean> {
  for (let tries = 0; port !== 0 && tries < 20; tries += 1) {
    if (await isFree(port)) return true;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return false;
}

async function isFree(port: number): Promise<boolean> {
  if (port === 0) return false;
  return listenOnce(port).then(
    () => true,
    () => false,
  );
}

/**
 * Below every system's range of ephemeral ports: there a client that reconnects to a dead server could be given
 * the server's own port, connect to itself, and keep the server from coming back.
 */
async function freePort(): Promise<number> {
  for (let tries = 0; tries < 50; tries += 1) {
    const port = randomInt(20_000, 32_768);
    if (await isFree(port)) return port;
  }
  return listenOnce(0);
}

function listenOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(port, HOST, () => {
      const { port: bound } = server.address() as net.AddressInfo;
      server.close(() => resolve(bound));
    });
  });
}

/** What a nats-server says first on a connection; null when none answers there. */
export function probe(port: number, host = HOST, timeoutMs = 1_000): Promise<ServerInfo | null> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host });
    let text = '';
    const done = (info: ServerInfo | null) => {
      socket.destroy();
      resolve(info);
    };
    socket.setTimeout(timeoutMs, () => done(null));
    socket.once('error', () => done(null));
    socket.once('close', () => done(null));
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
      if (!text.includes('\n')) return;
      try {
        done(text.startsWith('INFO ') ? (JSON.parse(text.slice(5, text.indexOf('\n'))) as ServerInfo) : null);
      } catch {
        done(null);
      }
    });
  });
}

export interface ServerInfo {
  server_name: string;
  version: string;
}
