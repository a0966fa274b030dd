/** The real supervisor process over role processes that are made for tests. */
import { fileURLToPath } from 'node:url';
import { findHome } from '../../actors/supervisor/home.ts';
import { runSupervisor } from '../../actors/supervisor/run.ts';

const program = fileURLToPath(new URL('./fake-role.mjs', import.meta.url));
await runSupervisor({
  home: findHome(process.env),
  env: process.env,
  command: (role) => ({ file: process.execPath, args: [program, role] }),
  ...JSON.parse(process.argv[2]!),
}).catch(() => {
  process.exitCode = 1;
});
