/**
 * The configuration of a local nats-server, as text. Pure.
 *
 * Three accounts. STORAGE alone has JetStream, so only its user can put a message on a log or blob subject:
 * permissions inside one account would leave a hole (a permitted request whose reply subject is a log subject).
 * What crosses between accounts:
 *
 *   APP -> STORAGE   append.> and store.> (services: requests and their answers)
 *   APP -> STORAGE   presence.who (a service with many answers, one of each storage process)
 *   APP -> STORAGE   presence.ping.> (services)
 *   STORAGE -> APP   log.> (a stream: a copy of every commit for those who follow)
 *
 * What an APP user sends to a log subject never reaches the log. Followers inside APP may still see such a
 * message (as the answer to a request whose reply is a log subject), so they treat what they hear as a hint.
 */

import { RepriseError } from '../../../bus/errors.ts';
import { PAYLOAD_BYTES_OURS } from '../../../bus/limits.ts';
import { makeSubjects } from '../../../bus/subjects.ts';
import { isAtLeast, VERSION_FSYNC, VERSION_GOOD } from './version.ts';

export interface User {
  user: string;
  password: string;
}

export interface Credentials {
  app: User;
  storage: User;
  system: User;
}

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
  const { version, prefix, credentials } = settings;
  if (settings.durability === 'power' && !isAtLeast(version, VERSION_FSYNC)) {
    throw new RepriseError('UNAVAILABLE', `nats-server ${version} cannot fsync before it acknowledges`, {
      retryable: false,
      hint: `durability "power" needs nats-server >= ${VERSION_FSYNC}; install a newer one or use "process"`,
    });
  }
  const subjects = makeSubjects(prefix);
  const pings = pingSubject(prefix, version);
  const services = [subjects.appendAll, subjects.storeAll, pings];
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
    'accounts {',
    '  STORAGE {',
    '    jetstream: enabled',
    `    users: [ ${user(credentials.storage)} ]`,
    `    exports: [\n      ${exported.join('\n      ')}\n    ]`,
    '  }',
    '  APP {',
    `    users: [ ${user(credentials.app, appPermissions(prefix))} ]`,
    `    imports: [\n      ${imported.join('\n      ')}\n    ]`,
    '  }',
    '  SYS {',
    `    users: [ ${user(credentials.system)} ]`,
    '  }',
    '}',
    'system_account: SYS',
    '',
  ].join('\n');
}

/**
 * Pings of storage processes. 2.9 answers a request to an absent service of another account with a time-out
 * instead of "no responders": there only the pings of `storage.<id>` cross, so that asking for a dead worker
 * is still answered at once.
 */
function pingSubject(prefix: string, version: string): string {
  return isAtLeast(version, VERSION_FSYNC)
    ? `${prefix}.presence.ping.>`
    : `${prefix}.presence.ping.storage.>`;
}

/**
 * A frozen process is dropped after 2 to 3 s. One more second would leave its sessions answering every second
 * request by a time-out; one less would drop a process whose event loop is busy for a second. Older servers
 * count their own writes as a sign of life, so there the setting would not help.
 */
function livenessLines(version: string): string[] {
  return isAtLeast(version, VERSION_GOOD) ? ['ping_interval: "1s"', 'ping_max: 2'] : [];
}

/** The accounts are the wall; these deny what only an attacker or a mistake would send. */
function appPermissions(prefix: string): string {
  const list = (subjects: string[]) => `[ ${subjects.map(quote).join(', ')} ]`;
  const writes = list([`${prefix}.log.>`, `${prefix}.blob.>`, '$JS.>', '$SYS.>']);
  // Nobody but storage may listen to requests for storage, lest it answers them.
  const reads = list([`${prefix}.append.>`, `${prefix}.store.>`, '$JS.>', '$SYS.>']);
  return `, permissions: { publish: { deny: ${writes} }, subscribe: { deny: ${reads} } }`;
}

function user({ user: name, password }: User, permissions = ''): string {
  return `{ user: ${quote(name)}, password: ${quote(password)}${permissions} }`;
}

/** A double-quoted string of the configuration language; backslash and quote are escaped, the rest is literal. */
function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t')}"`;
}
