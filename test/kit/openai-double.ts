/** A stand-in for OpenAI's API: a real HTTP server that answers chat completions as a test scripts it. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How one request is answered. */
export type Behaviour =
  | { type: 'answer'; text: string }
  /** The whole body of a 200, as JSON. */
  | { type: 'body'; body: unknown }
  | {
      type: 'error';
      status: number;
      message: string;
      code?: string;
      headers?: Record<string, string>;
    }
  /** A 200 whose body is this text. */
  | { type: 'text'; text: string; contentType?: string }
  /** What something else than an API says. */
  | { type: 'page'; status: number; text: string }
  /** Never answers. */
  | { type: 'hang' }
  /** Sends the headers and half of the body, then nothing more. */
  | { type: 'halfBody' }
  /** A body that never ends. */
  | { type: 'endless'; status?: number }
  /** Closes the connection without an answer. */
  | { type: 'reset' };

export interface RecordedRequest {
  path: string;
  headers: IncomingHttpHeaders;
  body: Record<string, unknown>;
}

export interface OpenAiDouble {
  /** What goes into REPRISE_LLM_BASE_URL. */
  readonly baseUrl: string;
  readonly requests: RecordedRequest[];
  /** Connections that the client gave up before an answer was complete. */
  readonly aborted: number;
  /** Answers for the next requests, in order; without any the double answers `double: <last message>`. */
  script(...behaviours: Behaviour[]): void;
  /** Holds all answers back until `release`. */
  hold(): void;
  release(): void;
  /** Resolves once `count` requests in all have arrived. */
  received(count: number): Promise<void>;
  /** Resolves once the client gave up `count` requests. */
  abandoned(count: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startOpenAiDouble(): Promise<OpenAiDouble> {
  const requests: RecordedRequest[] = [];
  const scripted: Behaviour[] = [];
  const watchers = new Set<() => void>();
  let aborted = 0;
  let gate: { opened: Promise<void>; open: () => void } | undefined;

  const server = createServer(async (request, response) => {
    response.on('close', () => {
      if (response.writableFinished) return;
      aborted++;
      for (const look of watchers) look();
    });
    const body = JSON.parse(await textOf(request)) as Record<string, unknown>;
    requests.push({ path: request.url ?? '', headers: request.headers, body });
    const behaviour = scripted.shift() ?? { type: 'answer', text: `double: ${lastMessage(body)}` };
    for (const look of watchers) look();
    await gate?.opened;
    if (!response.destroyed) respond(response, body, behaviour);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  function until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!condition()) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      look();
    });
  }

  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    requests,
    get aborted() {
      return aborted;
    },
    script: (...behaviours) => void scripted.push(...behaviours),
    hold() {
      let open = () => {};
      const opened = new Promise<void>((resolve) => {
        open = resolve;
      });
      gate = { opened, open };
    },
    release() {
      gate?.open();
      gate = undefined;
    },
    received: (count) => until(() => requests.length >= count),
    abandoned: (count) => until(() => aborted >= count),
    async stop() {
      gate?.open();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function respond(response: ServerResponse, body: Record<string, unknown>, behaviour: Behaviour): void {
  const send = (status: number, type: string, text: string, headers: Record<string, string> = {}) =>
    response.writeHead(status, { 'content-type': type, ...headers }).end(text);
  switch (behaviour.type) {
    case 'answer':
      return void send(200, 'application/json', JSON.stringify(completion(body, behaviour.text)));
    case 'body':
      return void send(200, 'application/json', JSON.stringify(behaviour.body));
    case 'text':
      return void send(200, behaviour.contentType ?? 'application/json', behaviour.text);
    case 'error': {
      const error = { message: behaviour.message, type: 'error', param: null, code: behaviour.code ?? null };
      return void send(behaviour.status, 'application/json', JSON.stringify({ error }), behaviour.headers);
    }
    case 'page':
      return void send(behaviour.status, 'text/html', behaviour.text);
    case 'hang':
      return;
    case 'halfBody': {
      const text = JSON.stringify(completion(body, 'never complete'));
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(text.length) });
      return void response.write(text.slice(0, text.length / 2));
    }
    case 'endless': {
      const page = Buffer.alloc(1024 * 1024, 0x20);
      response.writeHead(behaviour.status ?? 200, { 'content-type': 'application/json' });
      const more = () => {
        while (!response.destroyed && response.write(page));
      };
      response.on('drain', more);
      return void more();
    }
    case 'reset':
      return void response.socket?.resetAndDestroy();
  }
}

function completion(body: Record<string, unknown>, text: string): object {
  const words = (of: string) => of.split(/\s+/).filter(Boolean).length;
  const prompt = words(lastMessage(body));
  return {
    id: 'chatcmpl-double',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: `${String(body.model)}-2026`,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: text, refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: prompt, completion_tokens: words(text), total_tokens: prompt + words(text) },
  };
}

function lastMessage(body: Record<string, unknown>): string {
  const messages = body.messages as { content: string }[];
  return String(messages.at(-1)?.content);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}
