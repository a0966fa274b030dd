/** The nats-server binaries that tests of the supervisor run against. */

import { cacheFolder, findHome } from '../../actors/supervisor/home.ts';
import { execProgram } from '../../actors/supervisor/nats-server/exec.ts';
import { provideNatsServer } from '../../actors/supervisor/nats-server/provide.ts';
import { parseVersion } from '../../actors/supervisor/nats-server/version.ts';

export interface TestServer {
  binary: string;
  version: string;
}

/** $REPRISE_TEST_NATS_SERVERS (paths separated by ':'), else the one that the product provides. */
export async function testServers(): Promise<TestServer[]> {
  const named = (process.env.REPRISE_TEST_NATS_SERVERS ?? '').split(':').filter((file) => file !== '');
  if (named.length === 0) return [await provided()];
  return Promise.all(
    named.map(async (binary) => {
      const { stdout } = await execProgram(binary, ['--version']);
      return { binary, version: parseVersion(stdout)!.text };
    }),
  );
}

/** The server that the product itself finds or downloads (once: then it is in the cache). */
export function provided(): Promise<TestServer> {
  return provideNatsServer({ env: process.env, cacheDir: cacheFolder(process.env, findHome(process.env)) });
}
