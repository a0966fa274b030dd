/** Talk between `reprise` and its supervisor: one JSON line each way over a loopback socket, with a token. */
import { timingSafeEqual } from 'node:crypto';
import net from 'node:net';
import { RepriseError, type WireError } from '../../bus/errors.ts';
import type { Durability } from './nats-server/config.ts';

export type ControlRequest =
  /** Have the system up, with this many workers; answered once all of it is ready. */
  | { op: 'ensure'; workers?: number; durability?: Durability; url?: string }
  /** End everything; answered once nothing but the supervisor is left. */
  | { op: 'down' };

type Answer = { ok: true } | (WireError & { ok: false });

const LINE_MAX = 65_536;

export interface ControlServer {
  port: number;
  close(): void;
}

/** Listens on a free port of 127.0.0.1; requests without the token are dropped. */
export function serveControl(
  token: string,
  handle: (request: ControlRequest) => Promise<void>,
): Promise<ControlServer> {
  const server = net.createServer((socket) => {
    let text = '';
    socket.on('error', () => socket.destroy());
    socket.setEncoding('utf8').on('data', async (chunk) => {
      text += chunk;
      if (text.length > LINE_MAX) socket.destroy();
      if (!text.includes('\n')) return;
      socket.removeAllListeners('data');
      const request = parseRequest(text, token);
      if (!request) return void socket.destroy();
      const answer: Answer = await handle(request).then(
        () => ({ ok: true }),
        (error) => ({ ...RepriseError.from(error).toWire(), ok: false }),
      );
      socket.end(`${JSON.stringify(answer)}\n`);
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      resolve({ port, close: () => void server.close() });
    });
  });
}

function parseRequest(line: string, token: string): ControlRequest | null {
  try {
    const { token: given, ...request } = JSON.parse(line) as ControlRequest & { token: string };
    const [a, b] = [Buffer.from(String(given)), Buffer.from(token)];
    return a.length === b.length && timingSafeEqual(a, b) ? request : null;
  } catch {
    return null;
  }
}

/**
 * Asks a supervisor.
 * @throws RepriseError what the supervisor answered; DISCONNECTED when it hung up or is not there; TIMEOUT
 */
export function askControl(
  address: { port: number; token: string },
  request: ControlRequest,
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port: address.port, host: '127.0.0.1' });
    let text = '';
    const fail = (error: RepriseError) => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(timeoutMs, () =>
      fail(new RepriseError('TIMEOUT', `the supervisor did not answer in ${timeoutMs} ms`)),
    );
    socket.once('error', (cause) => fail(new RepriseError('DISCONNECTED', cause.message, { cause })));
    socket.once('close', () => fail(new RepriseError('DISCONNECTED', 'the supervisor hung up')));
    socket.once('connect', () => socket.write(`${JSON.stringify({ ...request, token: address.token })}\n`));
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
      if (!text.includes('\n')) return;
      const answer = JSON.parse(text) as Answer;
      if (answer.ok) {
        resolve();
        socket.destroy();
      } else fail(RepriseError.fromWire(answer));
    });
  });
}
