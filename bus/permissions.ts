/**
 * Who may do what on the bus: one row for each family of subjects. The users of a server are made from these rows, and
 * so is the table in docs/security.md. What no row grants is forbidden.
 */
import type { StoreOperation } from './protocol.ts';
import { FOREIGN_INBOX, INBOX } from './serving.ts';
import type { Subjects } from './subjects.ts';

/** Roles on the bus; each has a user of its own. */
export const ROLES = ['client', 'worker', 'llm', 'storage', 'supervisor'] as const;
export type BusRole = (typeof ROLES)[number];

/** Subjects that the same roles use for the same purpose. */
export interface SubjectFamily {
  /** Subject without the prefix, for people. */
  readonly name: string;
  /** As the server knows it, with wildcards. */
  readonly pattern: string;
  /** Requests are answered to an inbox of whoever asked; messages are not. */
  readonly kind: 'request' | 'message';
  /** Who publishes. */
  readonly from: readonly BusRole[];
  /** Who subscribes: for requests, whoever answers. */
  readonly to: readonly BusRole[];
  readonly what: string;
  /** The pattern that those in `to` subscribe to, where one subscription serves several families. */
  readonly served?: string;
}

/** Who asks storage for what: an operation without a row does not compile. */
const STORE: Record<StoreOperation, { from: readonly BusRole[]; what: string }> = {
  load: { from: ['worker'], what: 'reads what an activation needs' },
  read: { from: ['client', 'worker'], what: 'reads a log' },
  find: { from: ['worker'], what: 'reads the events of a command' },
  scan: { from: ['client'], what: 'reads a log that is not whole' },
  trouble: { from: ['worker'], what: 'notes that a session cannot be restored' },
  get: { from: ['client', 'worker'], what: 'describes a session' },
  list: { from: ['client', 'worker'], what: 'lists the sessions' },
  examine: { from: ['client'], what: 'finds logs that are not whole' },
  delete: { from: ['client'], what: 'removes a session (`reprise rm`)' },
  'blob.get.ckpt': { from: ['worker'], what: 'reads a heap image' },
  'blob.put.ckpt': { from: ['worker'], what: 'stores a heap image' },
  'blob.get.receipt': { from: ['llm'], what: 'reads the receipt of a model call' },
  'blob.put.receipt': { from: ['llm'], what: 'stores the receipt of a model call' },
  'blob.get.large': { from: ['client', 'worker', 'llm'], what: 'reads a value that no commit holds' },
  'blob.put.large': { from: ['worker', 'llm'], what: 'stores a value that no commit holds' },
};

/** Every family under the prefix of `subjects`. */
export function subjectFamilies(subjects: Subjects): SubjectFamily[] {
  const request = (
    pattern: string,
    name: string,
    from: readonly BusRole[],
    to: readonly BusRole[],
    what: string,
  ): SubjectFamily => ({ name, pattern, kind: 'request', from, to, what });
  const message = (...row: Parameters<typeof request>): SubjectFamily => ({
    ...request(...row),
    kind: 'message',
  });
  const stores = Object.entries(STORE).map(([operation, { from, what }]) => ({
    ...request(subjects.store(operation), `store.${operation}`, from, ['storage'], what),
    served: subjects.storeAll,
  }));
  const { log, blob } = subjects.streams;
  return [
    request(subjects.cmd('*'), 'cmd.<session>', ['client', 'worker'], ['worker'], 'asks the owner'),
    request(subjects.activate, 'activate', ['client', 'worker'], ['worker'], 'makes some worker the owner'),
    request(
      subjects.activateAt('*'),
      'activate.<worker>',
      ['client'],
      ['worker'],
      'makes this worker the owner',
    ),
    request(subjects.replay, 'replay', ['client'], ['worker'], 'executes a log again and compares'),
    message(subjects.live('*'), 'live.<session>', ['worker'], ['client'], 'output while a cell runs'),
    request(subjects.llm, 'llm', ['worker'], ['llm'], 'calls a model'),
    request(
      subjects.appendAll,
      'append.<shard>.<session>',
      ['worker'],
      ['storage'],
      'adds a commit to a log',
    ),
    ...stores,
    request(
      subjects.who,
      'presence.who',
      ['client', 'supervisor'],
      ['worker', 'llm', 'storage', 'supervisor'],
      'asks every process who it is',
    ),
    request(subjects.ping('*'), 'presence.ping.<worker>', ['client'], ['worker'], 'asks for a sign of life'),
    request(subjects.ping('llm.*'), 'presence.ping.llm.<id>', ['client', 'worker'], ['llm'], 'the same'),
    request(subjects.ping('storage.*'), 'presence.ping.storage.<id>', ['client'], ['storage'], 'the same'),
    request(
      subjects.ping('supervisor.*'),
      'presence.ping.supervisor.<id>',
      ['client'],
      ['supervisor'],
      'the same',
    ),
    message(
      subjects.sweep,
      'presence.sweep',
      ['worker'],
      ['worker'],
      'says that it looks for sessions without an owner',
    ),
    message(subjects.logAll, 'log.<shard>.<session>', ['storage'], ['client'], 'commits: the log itself'),
    message(subjects.blobAll('*'), 'blob.<kind>.<key>', ['storage'], [], 'blobs themselves'),
    message(log.marker, 'mark.log', ['storage'], [], 'keeps the newest message readable'),
    message(blob.marker, 'mark.blob', ['storage'], [], 'the same'),
  ];
}

/** What a user may publish to and subscribe to. */
export interface Permissions {
  publish: string[];
  subscribe: string[];
}

/**
 * Where answers for a user of a role arrive. Users of one role that have different names cannot hear each other's.
 * @param user absent: a server without users
 */
export function inboxPrefix(role: BusRole, user?: string): string {
  if (!user) return `${INBOX}.${role}`;
  return `${INBOX}.${role}.${/^[\w-]{1,64}$/.test(user) ? user : Buffer.from(user).toString('base64url')}`;
}

/** The least permissions of a user of a role. */
export function permissionsOf(role: BusRole, subjects: Subjects, user: string = role): Permissions {
  const families = subjectFamilies(subjects);
  const heard = families.filter(({ to }) => to.includes(role)).map(({ pattern, served = pattern }) => served);
  const served = families.filter(({ kind, to }) => kind === 'request' && to.includes(role));
  const askers = ROLES.filter((asker) => served.some(({ from }) => from.includes(asker)));
  // Storage has an account of its own: all its answers cross to another one.
  const answers = role === 'storage' ? [`${FOREIGN_INBOX}.>`] : askers.map((asker) => `${INBOX}.${asker}.>`);
  return {
    publish: [
      ...families.filter(({ from }) => from.includes(role)).map(({ pattern }) => pattern),
      ...answers,
      ...(role === 'storage' ? streamOperations(subjects) : []),
    ],
    subscribe: [...new Set(heard), `${inboxPrefix(role, user)}.>`],
  };
}

/** What storage asks of JetStream, for its own two streams alone. */
function streamOperations({ streams }: Subjects): string[] {
  const ofStream = ['STREAM.INFO', 'STREAM.CREATE', 'STREAM.UPDATE', 'STREAM.PURGE', 'DIRECT.GET'];
  return [
    '$JS.API.INFO',
    ...[streams.log, streams.blob].flatMap(({ name }) => [
      ...ofStream.map((operation) => `$JS.API.${operation}.${name}`),
      `$JS.API.DIRECT.GET.${name}.>`,
    ]),
  ];
}
