/**
 * The configuration of a local nats-server, as text. Pure. Every role has a user, with the permissions of
 * `bus/permissions.ts` and no more.
 *
 * Three accounts. STORAGE alone has JetStream, so only its user can put a message on a log or blob subject:
 * permissions inside one account would leave a hole (a permitted request whose reply subject is a log subject).
 * What crosses between accounts:
 *
 *   APP -> STORAGE   append.> and store.> (services: requests and their answers)
 *   APP -> STORAGE   presence.who (a service with many answers, one of each storage process)
 *   APP -> STORAGE   presence.ping.storage.* (services)
 *   STORAGE -> APP   log.> (a stream: a copy of every commit for those who follow)
 *
 * What an APP user sends to a log subject never reaches the log. Followers inside APP may still see such a
 * message (as the answer to a request whose reply is a log subject), so they treat what they hear as a hint.
 */

import { RepriseError } from '../../../bus/errors.ts';
import { PAYLOAD_BYTES_OURS } from '../../../bus/limits.ts';
import { permissionsOf } from '../../../bus/permissions.ts';
import { type BusRole, ROLES } from '../../../bus/roles.ts';
import { makeSubjects } from '../../../bus/subjects.ts';
import { isAtLeast, VERSION_FSYNC, VERSION_GOOD } from './version.ts';

export interface User {
  user: string;
  password: string;
}

/** One user for each role on the bus, and one of the server's own account, whom nobody is. */
export type Credentials = Record<BusRole | 'system', User>;

/** 'process': an acknowledgement survives the death of any process; 'power': also a loss of power. */
export type Durability = 'process' | 'power';

export interface ServerSettings {
  /** Version of the server that will read the configuration. */
  version: string;
  /** Name that the server announces: tells our server from a stranger on the same port. */
  serverName: string;
  host?: string;
  port: number;
  storeDir: string;
  prefix: string;
  credentials: Credentials;
  durability: Durability;
}

/** Environment of the server: without a limit its memory grows to gigabytes after spread replays. */
export const SERVER_ENVIRONMENT = { GOMEMLIMIT: '400MiB' } as const;

/**
 * Configuration text for `nats-server -c`.
 * @throws RepriseError UNAVAILABLE when the server is too old for the durability asked for.
 */
export function serverConfig(settings: ServerSettings): string {
  const { version, prefix } = settings;
  if (settings.durability === 'power' && !isAtLeast(version, VERSION_FSYNC)) {
    throw new RepriseError('UNAVAILABLE', `nats-server ${version} cannot fsync before it acknowledges`, {
      retryable: false,
      hint: `durability "power" needs nats-server >= ${VERSION_FSYNC}; install a newer one or use "process"`,
    });
  }
  return [
    `server_name: ${quote(settings.serverName)}`,
    `host: ${quote(settings.host ?? '127.0.0.1')}`,
    `port: ${settings.port}`,
    `max_payload: ${PAYLOAD_BYTES_OURS}`,
    ...livenessLines(version),
    'jetstream {',
    `  store_dir: ${quote(settings.storeDir)}`,
    ...(settings.durability === 'power' ? ['  sync_interval: always'] : []),
    '}',
    accountsConfig(prefix, settings.credentials),
    '',
  ].join('\n');
}

/** The accounts with their users: what a server of one's own needs of the configuration, too. */
export function accountsConfig(prefix: string, credentials: Credentials): string {
  const subjects = makeSubjects(prefix);
  // Only the pings of storage cross: 2.9 answers a request to an absent service of another account with a time-out
  // instead of "no responders", and asking for a dead worker must be answered at once.
  const services = [subjects.appendAll, subjects.storeAll, subjects.ping('storage.*')];
  const exported = [
    ...services.map((subject) => `{ service: ${quote(subject)} }`),
    `{ service: ${quote(subjects.who)}, response_type: stream }`,
    `{ stream: ${quote(subjects.logAll)} }`,
  ];
  const imported = [
    ...[...services, subjects.who].map(
      (subject) => `{ service: { account: STORAGE, subject: ${quote(subject)} } }`,
    ),
    `{ stream: { account: STORAGE, subject: ${quote(subjects.logAll)} } }`,
  ];
  const users = (roles: readonly BusRole[]) =>
    list(
      roles.map((role) => {
        const { user } = credentials[role];
        const { publish, subscribe } = permissionsOf(role, subjects, user);
        const allow = (what: string, patterns: string[]) =>
          `        ${what}: { allow: [ ${patterns.map(quote).join(', ')} ] }`;
        const permissions = [allow('publish', publish), allow('subscribe', subscribe)].join('\n');
        return `{ ${login(credentials[role])}, permissions: {\n${permissions}\n      } }`;
      }),
    );
  return [
    'accounts {',
    '  STORAGE {',
    '    jetstream: enabled',
    `    users: ${users(['storage'])}`,
    `    exports: ${list(exported)}`,
    '  }',
    '  APP {',
    `    users: ${users(ROLES.filter((role) => role !== 'storage'))}`,
    `    imports: ${list(imported)}`,
    '  }',
    '  SYS {',
    `    users: [ { ${login(credentials.system)} } ]`,
    '  }',
    '}',
    'system_account: SYS',
  ].join('\n');
}

/**
 * A frozen process is dropped after 2 to 3 s. One more second would leave its sessions answering every second
 * request by a time-out; one less would drop a process whose event loop is busy for a second. Older servers
 * count their own writes as a sign of life, so there the setting would not help.
 */
function livenessLines(version: string): string[] {
  return isAtLeast(version, VERSION_GOOD) ? ['ping_interval: "1s"', 'ping_max: 2'] : [];
}

function list(items: string[]): string {
  return `[\n      ${items.join('\n      ')}\n    ]`;
}

function login({ user, password }: User): string {
  return `user: ${quote(user)}, password: ${quote(password)}`;
}

/** A double-quoted string of the configuration language; backslash and quote are escaped, the rest is literal. */
function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t')}"`;
}
