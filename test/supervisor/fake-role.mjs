/**
 * A role process for tests of process management: says that it is ready, answers presence, ends on SIGTERM.
 */
import { appendFileSync, existsSync } from 'node:fs';
import { connect } from '@nats-io/transport-node';
import { Packr } from 'msgpackr';

const role = process.argv[2];
const { env } = process;
const packr = new Packr({ useRecords: false });
const file = (name) => `${env.REPRISE_HOME}/${name}`;
if (existsSync(file(`broken-${role}`))) {
  console.error(`${role} is broken on purpose`);
  process.exit(1);
}
if (existsSync(file(`misconfigured-${role}`))) {
  console.error(`${role} cannot do with its settings`);
  process.exit(2);
}
appendFileSync(file('environments.jsonl'), `${JSON.stringify({ role, env })}\n`);

const storage = role === 'storage';
const connection = await connect({
  servers: env.REPRISE_NATS_URL,
  user: env.REPRISE_NATS_USER,
  pass: env.REPRISE_NATS_PASSWORD,
  reconnectTimeWait: 20,
  maxReconnectAttempts: -1,
});
const prefix = env.REPRISE_PREFIX;
const answer = (subject, queue, reply) =>
  connection.subscribe(subject, {
    queue,
    callback: (_error, message) => void message.respond(packr.pack(reply(message))),
  });
const id = env.REPRISE_PROCESS_ID;
const presence = () => ({
  ok: true,
  role,
  process: id,
  pid: process.pid,
  sessions: 7,
  state: 'running',
  version: '1',
});
answer(`${prefix}.presence.who`, undefined, presence);
answer(`${prefix}.presence.ping.${id}`, undefined, presence);
if (storage) answer(`${prefix}.store.list`, 'storage', () => ({ ok: true, sessions: [], next: null }));
await connection.flush();
process.on('SIGTERM', async () => {
  if (existsSync(file(`stubborn-${role}`))) return;
  appendFileSync(file('ends.txt'), `${role}\n`);
  await connection.close();
  process.exit(0);
});
console.log(JSON.stringify({ ready: true, role, pid: process.pid }));
