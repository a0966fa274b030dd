/** `reprise demo`: see the whole system at work, in a data folder that is gone afterwards. */
import type { Command } from 'commander';
import { addExamples, type Context, EXIT } from '../context.ts';
import { formatDuration } from '../duration.ts';

/** Declares `demo`. */
export function addDemo(program: Command, context: Context): void {
  const command = program
    .command('demo')
    .description('play the whole system on real processes, checking every claim (under a minute)')
    .action(() => demo(context));
  addExamples(command, [['reprise demo', 'exit code 1 when a claim does not hold']]);
}

async function demo(context: Context): Promise<void> {
  const { terminal } = context;
  const [{ playDemo }, { ClaimFailed, Stage, withTemporaryHome }, { connectSessions }, { ProcessManager }] =
    await Promise.all([
      import('../demo.ts'),
      import('../demo-stage.ts'),
      import('../connection.ts'),
      import('../../actors/supervisor/process-manager.ts'),
    ]);
  const started = performance.now();
  const systemAt = (home: string) =>
    new ProcessManager({ env: { ...terminal.env, REPRISE_HOME: home, REPRISE_NATS_URL: undefined } });
  await withTemporaryHome(
    terminal,
    async (home, signal) => {
      const system = systemAt(home);
      const stage = new Stage({ terminal, system, signal, connect: () => connectSessions(system) });
      try {
        await playDemo(stage);
        const took = formatDuration(performance.now() - started);
        terminal.out(`\n${terminal.palette.bold('All of it held')}: ${stage.checked} checks in ${took}.\n`);
      } catch (thrown) {
        if (!(thrown instanceof ClaimFailed)) throw thrown;
        const { inspect } = await import('node:util');
        const side = (value: unknown) => inspect(value, { depth: 5 });
        terminal.err(`${terminal.errPalette.red(thrown.message)}\n`);
        terminal.err(`  expected: ${side(thrown.expected)}\n  actual:   ${side(thrown.actual)}\n`);
        context.exitCode = EXIT.threw;
      }
    },
    async (home) => {
      await systemAt(home).down();
    },
  );
}
