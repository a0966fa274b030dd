/** A fake worker as a process of its own: `fake-worker-process.ts <url> <prefix> <id> [owned session]`. */

import { connectBus } from '../../bus/nats.ts';
import { systemClock } from '../../bus/port.ts';
import { makeSubjects } from '../../bus/subjects.ts';
import { executed, FakeWorker, slowly } from './fake-worker.ts';

const [url, prefix, id, owned] = process.argv.slice(2) as [string, string, string, string | undefined];
const bus = await connectBus({ url, name: id });
const worker = new FakeWorker(id, bus, makeSubjects(prefix), systemClock, (request, self) => {
  const wait = /^wait (\d+)$/.exec(request.op === 'execute' ? request.command : '');
  return wait ? slowly(Number(wait[1]))(request, self) : executed(request, self);
});
if (owned) worker.own(owned);
await bus.flush();
process.stdout.write('ready\n');
