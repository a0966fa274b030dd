/**
 * Who may do what on the bus: one row for each family of subjects. The users of a server are made from these rows, and
 * so is the table in docs/security.md. What no row grants is forbidden.
 */

import { ANY_WORKER } from './operations/any-worker.ts';
import { MODEL } from './operations/models.ts';
import { PRESENCE } from './operations/presence.ts';
import type { AnyOperation } from './operations/row.ts';
import { SESSION } from './operations/sessions.ts';
import { APPEND, STORE } from './operations/storage.ts';
import { WORKER } from './operations/workers.ts';
import { type BusRole, ROLES } from './roles.ts';
import { FOREIGN_INBOX, INBOX } from './serving.ts';
import type { Subjects } from './subjects.ts';

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

/** Every family under the prefix of `subjects`: one for each operation, and the messages that nobody answers. */
export function subjectFamilies(subjects: Subjects): SubjectFamily[] {
  const request = (row: AnyOperation, served?: string): SubjectFamily => {
    const { subject: name, from, servedBy: to, what } = row;
    const pattern = `${subjects.prefix}.${name.replace(/<\w+>/g, '*')}`;
    return { name, pattern, kind: 'request', from, to, what, ...(served ? { served } : {}) };
  };
  const message = (
    pattern: string,
    name: string,
    from: readonly BusRole[],
    to: readonly BusRole[],
    what: string,
  ): SubjectFamily => ({ name, pattern, kind: 'message', from, to, what });
  // All of them have one subject.
  const owner = { ...SESSION.execute, from: askers(Object.values(SESSION)), what: 'asks the owner' };
  const { log, blob } = subjects.streams;
  return [
    request(owner),
    ...[...Object.values(WORKER), ...Object.values(ANY_WORKER)].map((row) => request(row)),
    message(subjects.live('*'), 'live.<session>', ['worker'], ['client'], 'output while a cell runs'),
    request(MODEL.call),
    request(APPEND, subjects.appendAll),
    ...Object.values(STORE).map((row) => request(row, subjects.storeAll)),
    ...Object.values(PRESENCE).map((row) => request(row)),
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

/** Whoever asks any of them, in the order of roles. */
function askers(rows: readonly AnyOperation[]): BusRole[] {
  return ROLES.filter((role) => rows.some(({ from }) => from.includes(role)));
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
  const asking = ROLES.filter((asker) => served.some(({ from }) => from.includes(asker)));
  // Storage has an account of its own: all its answers cross to another one.
  const answers = role === 'storage' ? [`${FOREIGN_INBOX}.>`] : asking.map((asker) => `${INBOX}.${asker}.>`);
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
