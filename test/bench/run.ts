/**
 * `npm run bench [part…]`: starts a system of real processes, measures the floors, then each part against
 * them. Parts: exec, activation, history, moments, failover, footprint, cli.
 */
import { startSystem, type TestSystem } from '../kit/system.ts';
import { activation } from './activation.ts';
import { cli } from './cli.ts';
import { exec } from './exec.ts';
import { failover } from './failover.ts';
import { type Floors, measureFloors } from './floors.ts';
import { footprint } from './footprint.ts';
import { history } from './history.ts';
import { ms, percentile, print } from './measure.ts';
import { moments } from './moments.ts';

const PARTS: Record<string, (system: TestSystem, floors: Floors) => Promise<void>> = {
  exec,
  activation,
  history,
  moments,
  failover,
  footprint,
  cli,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((part) => !(part in PARTS));
if (unknown.length > 0) {
  process.stderr.write(`unknown part ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}\n`);
  process.exit(2);
}

const system = await startSystem({ workers: 2 });
const end = async (code: number) => {
  await system[Symbol.asyncDispose]();
  process.exit(code);
};
process.once('SIGINT', () => void end(130));
try {
  const { version } = system.state.nats;
  process.stdout.write(`nats-server ${version}, Node ${process.version}, 2 workers\n`);
  const floors = await measureFloors();
  print('Floors of this run', [
    {
      what: 'bare request round trip to another process',
      figure: ms(floors.roundTripMs),
      note: `p99 ${ms(percentile(floors.roundTripsMs, 99))}`,
    },
    {
      what: 'bare JetStream publish with compare-and-set',
      figure: ms(floors.publishMs),
      note: `p99 ${ms(percentile(floors.publishesMs, 99))}`,
    },
    { what: 'the same, 64 in flight', figure: `${Math.round(floors.publishesPerS)}/s` },
  ]);
  for (const [name, part] of Object.entries(PARTS)) {
    if (wanted.length === 0 || wanted.includes(name)) await part(system, floors);
  }
  await end(0);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  await end(1);
}
