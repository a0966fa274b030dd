/** The real supervisor process over role processes that are made for tests. */
import { findHome } from '../../actors/supervisor/home.ts';
import { runSupervisor } from '../../actors/supervisor/run.ts';

/** Path of fake-role.mjs; filled in by the bundler (`fixture.ts`). */
declare const TEST_ROLE: string;
await runSupervisor({
  home: findHome(process.env),
  env: process.env,
  command: (role) => ({ file: process.execPath, args: [TEST_ROLE, role] }),
  ...JSON.parse(process.argv[2]!),
}).catch(() => {
  process.exitCode = 1;
});
