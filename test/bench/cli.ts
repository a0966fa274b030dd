/** The CLI from a cold shell against a running system. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TestSystem } from '../kit/system.ts';
import { median, ms, print, series, times } from './measure.ts';

export async function cli(system: TestSystem): Promise<void> {
  const bin = fileURLToPath(new URL('../../cli/reprise.mjs', import.meta.url));
  const run = (args: string[]) => () => execFileSync(process.execPath, args, { env: system.env });
  const floor = await series(15, run(['-e', '0']), 3);
  const exec = await series(15, run([bin, 'exec', 'cold', '1 + 1']), 3);
  const json = await series(15, run([bin, 'ls', '--json']), 3);
  print('CLI from a cold shell', [
    { what: 'node -e 0', figure: ms(median(floor)) },
    {
      what: 'reprise exec',
      figure: ms(median(exec)),
      ratio: times(median(exec) / median(floor)),
      note: 'of node -e 0',
    },
    { what: 'reprise ls --json', figure: ms(median(json)), ratio: times(median(json) / median(floor)) },
  ]);
}
