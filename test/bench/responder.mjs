/** The floor's other end: a process that answers requests with what it got. */
import { connect } from '@nats-io/transport-node';

const [url, subject] = process.argv.slice(2);
const connection = await connect({ servers: url, noAsyncTraces: true });
connection.subscribe(subject, { callback: (_error, message) => message.respond(message.data) });
await connection.flush();
process.stdout.write('ready\n');
