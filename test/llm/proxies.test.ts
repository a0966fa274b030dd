/** Model calls by way of a proxy: real proxies and servers, nothing is replaced. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { makeOpenAi } from '../../actors/llm/openai.ts';
import { parseRequest } from '../../actors/llm/request.ts';
import { parseSettings } from '../../actors/llm/settings.ts';
import { type OpenAiDouble, startOpenAiDouble } from '../kit/openai-double.ts';

let double: OpenAiDouble;
let proxy: Server;
let proxyUrl: string;
/** Targets that the proxy was asked to reach. */
const reached: string[] = [];

before(async () => {
  double = await startOpenAiDouble();
  proxy = createServer((_request, response) => void response.writeHead(400).end());
  proxy.on('connect', (request, client) => {
    reached.push(request.url ?? '');
    const { port } = new URL(double.baseUrl);
    const server = connect(Number(port), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      server.pipe(client).pipe(server);
    });
    server.on('error', () => client.destroy());
    client.on('error', () => server.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
});
beforeEach(() => {
  reached.length = 0;
});
after(async () => {
  proxy.closeAllConnections();
  proxy.close();
  await double.stop();
});

async function ask(env: Record<string, string>): Promise<string> {
  const { openai } = parseSettings({ OPENAI_API_KEY: 'k', ...env });
  const call = { signal: AbortSignal.timeout(5_000), idempotencyKey: 'r' };
  const answer = await makeOpenAi(openai!, () => 0).call(
    { ...parseRequest({ prompt: 'hi' }), model: 'm' },
    call,
  );
  return answer.response;
}

test('a server that only the proxy can reach is reached by way of it', async () => {
  for (const name of ['HTTP_PROXY', 'http_proxy']) {
    const env = { REPRISE_LLM_BASE_URL: 'http://models.invalid/v1', [name]: proxyUrl };
    assert.equal(await ask(env), 'double: hi');
  }
  assert.deepEqual(reached, ['models.invalid:80', 'models.invalid:80']);
});

test('each protocol has its own proxy', async () => {
  const env = { REPRISE_LLM_BASE_URL: 'https://models.invalid/v1', HTTPS_PROXY: proxyUrl };
  // Behind the proxy is no TLS server: what matters is who was asked.
  await assert.rejects(ask(env));
  assert.deepEqual(reached, ['models.invalid:443']);
  assert.equal(await ask({ REPRISE_LLM_BASE_URL: double.baseUrl, HTTPS_PROXY: proxyUrl }), 'double: hi');
  assert.equal(reached.length, 1);
});

test('hosts of NO_PROXY are reached directly', async () => {
  for (const except of ['127.0.0.1', 'localhost, 127.0.0.1', '*']) {
    const env = { REPRISE_LLM_BASE_URL: double.baseUrl, HTTP_PROXY: proxyUrl, NO_PROXY: except };
    assert.equal(await ask(env), 'double: hi');
  }
  assert.deepEqual(reached, []);
});

test('a proxy may be named without its protocol; what is no address is refused without its password', () => {
  const proxies = (env: Record<string, string>) =>
    parseSettings({ OPENAI_API_KEY: 'k', ...env }).openai?.proxies;
  assert.equal(proxies({ HTTP_PROXY: 'proxy.example:3128' })?.http, 'http://proxy.example:3128');
  assert.equal(proxies({ NO_PROXY: '*' }), undefined);
  assert.throws(
    () => proxies({ HTTPS_PROXY: 'socks5://me:secret@proxy.example' }),
    (error: Error) => error.message.includes('HTTPS_PROXY') && !error.message.includes('secret'),
  );
});
