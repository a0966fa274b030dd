/** Entry point of the supervisor process. Its one argument: `{workers?, durability?}` as JSON. */
import { RepriseError } from '../../bus/errors.ts';
import { findHome } from './home.ts';
import { runSupervisor } from './run.ts';

const argument = process.argv[2];
try {
  await runSupervisor({
    home: findHome(process.env),
    env: process.env,
    ...(argument ? (JSON.parse(argument) as object) : {}),
  });
} catch (error) {
  console.error(RepriseError.from(error).message);
  process.exitCode = 1;
}
