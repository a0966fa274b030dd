/** Entry point of the command line: hands the process's own things to the commands and leaves with their code. */
import { ProcessManager } from '../actors/supervisor/process-manager.ts';
import packageJson from '../package.json' with { type: 'json' };
import { openSessions } from './connection.ts';
import type { Context } from './context.ts';
import { run } from './program.ts';
import { makeTerminal } from './terminal.ts';

// A command decodes little: loading msgpackr's native decoder would take longer than it saves. (The client is
// imported later.)
process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED ??= 'true';

const terminal = makeTerminal(process);
let system: ProcessManager | undefined;

const context: Context = {
  terminal,
  version: packageJson.version,
  exitCode: 0,
  details: {},
  get system() {
    system ??= new ProcessManager({ env: process.env });
    return system;
  },
  sessions: () => openSessions(terminal, context.system),
};

const exitCode = await run(process.argv.slice(2), context);
// Everything durable is done: what the connection and its timers still hold need not be waited for.
await terminal.flush();
process.exit(exitCode);
