/** Users of a server that a test configures itself: each is named as its role, with a password of its own. */
import { type Credentials, serverConfig } from '../../actors/supervisor/nats-server/config.ts';
import { isAtLeast, parseVersion } from '../../actors/supervisor/nats-server/version.ts';
import { ROLES } from '../../bus/roles.ts';

export const testUsers = Object.fromEntries(
  [...ROLES, 'system' as const].map((name) => [name, { user: name, password: `"${name}" \\ secret` }]),
) as Credentials;

/** The product's configuration without address, port and store folder: those are `startNats`'s own. */
export function testConfig(
  versionText: string,
  prefix: string,
  credentials: Credentials = testUsers,
): string {
  const version = parseVersion(versionText)?.text ?? versionText;
  const text = serverConfig({
    version,
    serverName: 'test',
    port: -1,
    storeDir: '/unused',
    prefix,
    credentials,
    durability: isAtLeast(version, '2.10.0') ? 'power' : 'process',
  });
  return text.replace(/^ *(port|host|store_dir): .*$/gm, '');
}
