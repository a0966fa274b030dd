/** The nats-server that the user configured instead of a local one: read from the environment, and tried. */
import { hasCode, RepriseError } from '../../bus/errors.ts';
import { isAtLeast, VERSION_MIN } from './nats-server/version.ts';

type Env = Record<string, string | undefined>;

const JETSTREAM_MS = 2_000;

/**
 * The environment with user and password taken out of the URLs (`nats://user:password@host`), so that no URL
 * that is shown or recorded holds a secret. What is set by name wins over what is in a URL.
 * @throws RepriseError BAD_REQUEST when a URL is none
 */
export function withPlainServer<E extends Env>(env: E): E {
  const server = parse(env, 'REPRISE_NATS_URL');
  if (!server) return env;
  const storage = parse(env, 'REPRISE_STORAGE_NATS_URL');
  const plain: Env = {
    REPRISE_NATS_URL: server.url,
    REPRISE_NATS_USER: env.REPRISE_NATS_USER ?? server.user,
    REPRISE_NATS_PASSWORD: env.REPRISE_NATS_PASSWORD ?? server.password,
    REPRISE_STORAGE_NATS_URL: storage?.url,
    REPRISE_STORAGE_USER: env.REPRISE_STORAGE_USER ?? storage?.user,
    REPRISE_STORAGE_PASSWORD: env.REPRISE_STORAGE_PASSWORD ?? storage?.password,
  };
  const set = Object.entries(plain).filter(([, value]) => value !== undefined);
  return { ...env, ...Object.fromEntries(set) };
}

function parse(env: Env, name: string): { url: string; user?: string; password?: string } | null {
  const texts = (env[name] ?? '').split(',').map((text) => text.trim());
  if (texts.every((text) => text === '')) return null;
  const bad = (text: string) =>
    new RepriseError(
      'BAD_REQUEST',
      `${name}: '${text.replace(/\/\/.*@/, '//…@')}' is not the URL of a nats-server`,
      {
        hint: 'write it as nats://host:4222 or nats://user:password@host:4222',
      },
    );
  const urls = texts.map((text) => {
    try {
      const url = new URL(text.includes('://') ? text : `nats://${text}`);
      if (['nats:', 'tls:'].includes(url.protocol) && url.hostname !== '') return url;
    } catch {
      // Said below.
    }
    throw bad(text);
  });
  const { username, password } = urls[0]!;
  return {
    url: urls.map(({ protocol, host }) => `${protocol}//${host}`).join(','),
    ...(username === ''
      ? {}
      : { user: decodeURIComponent(username), password: decodeURIComponent(password) }),
  };
}

/**
 * Returns the version of the configured server once it is known to take our credentials and to have JetStream.
 * `env` as `withPlainServer` makes it.
 * @throws RepriseError UNAVAILABLE (no answer, too old, no JetStream), DENIED
 */
export async function tryExternalServer(env: Env): Promise<string> {
  const { REPRISE_NATS_URL: url = '', REPRISE_NATS_USER: user, REPRISE_NATS_PASSWORD: pass } = env;
  const version = await visit(url, user, pass, async (bus) => bus.connection.info?.version ?? '');
  if (!isAtLeast(version, VERSION_MIN)) {
    throw new RepriseError('UNAVAILABLE', `the nats-server at ${url} is version ${version || 'unknown'}`, {
      retryable: false,
      hint: `use one of version ${VERSION_MIN} or newer, or unset REPRISE_NATS_URL for a local one`,
    });
  }
  const storage = env.REPRISE_STORAGE_NATS_URL ?? url;
  await visit(
    storage,
    env.REPRISE_STORAGE_USER ?? user,
    env.REPRISE_STORAGE_PASSWORD ?? pass,
    async (bus) => {
      const problem = await jetStreamProblem(bus);
      if (problem === null) return;
      throw new RepriseError('UNAVAILABLE', `the nats-server at ${storage} has no JetStream: ${problem}`, {
        hint: 'start it with JetStream (nats-server -js), or unset REPRISE_NATS_URL for a local one',
      });
    },
  );
  return version;
}

type NatsBus = Awaited<ReturnType<typeof import('../../bus/nats.ts')['connectBus']>>;

async function visit<T>(
  url: string,
  user: string | undefined,
  pass: string | undefined,
  look: (bus: NatsBus) => Promise<T>,
): Promise<T> {
  const { connectBus } = await import('../../bus/nats.ts');
  const bus = await connectBus({ url, user, pass, name: 'check' }).catch((error: RepriseError) => {
    const hint = hasCode(error, 'DENIED')
      ? 'set REPRISE_NATS_USER and REPRISE_NATS_PASSWORD, or write nats://user:password@host:4222'
      : 'check REPRISE_NATS_URL; when it is unset, a local server is used';
    throw new RepriseError(error.code, error.message, { cause: error, hint });
  });
  try {
    return await look(bus);
  } finally {
    await bus.close();
  }
}

/** What JetStream says against us; null when it answers, or is only closed to this question. */
async function jetStreamProblem(bus: NatsBus): Promise<string | null> {
  try {
    const answer = await bus.request('$JS.API.INFO', new Uint8Array(0), { timeoutMs: JETSTREAM_MS });
    const { error } = JSON.parse(new TextDecoder().decode(answer)) as { error?: { description?: string } };
    return error ? (error.description ?? 'it answers with an error') : null;
  } catch (thrown) {
    return hasCode(thrown, 'NO_RESPONDERS') ? 'it is not enabled' : null;
  }
}
