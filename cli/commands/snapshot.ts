/** `reprise snapshot`: moments of sessions that are kept, and gone on from. */
import type { Command } from 'commander';
import { newCommandId } from '../../bus/client/command-id.ts';
import { addExamples, type Context, repeatable, sessionName } from '../context.ts';
import { inSessions } from '../every-session.ts';
import { withProgress } from '../progress.ts';
import { renderSnapshot, renderSnapshots } from '../render/annotations.ts';
import { printable } from '../render/text.ts';

interface CreateOptions {
  description?: string;
  tag?: string[];
  json?: boolean;
}

const SHAPE = '{id, sessionName, checkpointSeq, created, description, tags}';

/** Declares `snapshot` and what it does. */
export function addSnapshot(program: Command, context: Context): void {
  const { terminal } = context;
  const snapshot = program
    .command('snapshot')
    .description('keep a session as it is, by a checkpoint that is found again, and go on from it later');
  addExamples(snapshot, [
    ["reprise snapshot create demo -d 'before the import' --tag good", 'says its id, such as demo@12'],
    ['reprise snapshot ls demo', ''],
    ['reprise snapshot restore demo@12 again', 'a new session, as demo was; demo is not touched'],
  ]);
  snapshot
    .command('create')
    .description('keep a session as it is now')
    .argument('<session>', 'name of the session', sessionName)
    .option('-d, --description <text>', 'what it is')
    .option('--tag <tag>', 'a tag, to find it by; may be repeated', repeatable)
    .option('--json', `print one line of JSON: ${SHAPE}`)
    .action(async (session: string, { description, tag: tags, json }: CreateOptions) => {
      const sessions = await context.sessions();
      const made = await withProgress(terminal, 'saving the heap …', () =>
        sessions.snapshots.create(session, { description, tags }),
      );
      terminal.out(json ? `${JSON.stringify(made)}\n` : renderSnapshot(made, terminal.palette));
    });
  snapshot
    .command('ls')
    .description('list the snapshots of one session or of all, oldest first')
    .argument('[session]', 'name of the session (default: all)', sessionName)
    .option('--tag <tag>', 'only with this tag; repeated: with all of them', repeatable)
    .option('--json', `print one JSON array: ${SHAPE}`)
    .action(async (session: string | undefined, { tag: tags, json }: CreateOptions) => {
      const found = await inSessions(context, session, (sessions, name) =>
        sessions.snapshots.list(name, { tags }),
      );
      terminal.out(
        json ? `${JSON.stringify(found)}\n` : renderSnapshots(found, terminal.palette, terminal.columns),
      );
    });
  snapshot
    .command('show')
    .description('show a snapshot; `reprise at <session> <seq>` shows the variables there')
    .argument('<id>', 'its id, <session>@<seq>')
    .option('--json', `print one line of JSON: ${SHAPE}`)
    .action(async (id: string, { json }: { json?: boolean }) => {
      const found = await (await context.sessions()).snapshots.get(id);
      terminal.out(json ? `${JSON.stringify(found)}\n` : renderSnapshot(found, terminal.palette));
    });
  snapshot
    .command('restore')
    .description('begin a session that is as the snapshot is, and goes on by itself')
    .argument('<id>', 'its id, <session>@<seq>')
    .argument('<new>', 'name of the new session', sessionName)
    .option('--id <commandId>', 'id of this command: the same id restores once')
    .option('--json', 'print one line of JSON: {session, parent: {session, seq}, bytesWritten, durationMs}')
    .action(async (id: string, name: string, options: { id?: string; json?: boolean }) => {
      const { id: commandId = newCommandId(), json } = options;
      context.details = { snapshot: id, commandId };
      const sessions = await context.sessions();
      const reply = await withProgress(terminal, 'restoring …', () =>
        sessions.snapshots.restore(id, name, { commandId }),
      );
      const told = `${terminal.palette.bold(printable(reply.session))} goes on from ${printable(id)}\n`;
      terminal.out(json ? `${JSON.stringify(reply)}\n` : told);
    });
  snapshot
    .command('rm')
    .description('keep it no longer; the session and what was restored from it are not touched')
    .argument('<id>', 'its id, <session>@<seq>')
    .option('--json', 'print one line of JSON: {id, removed, seq}')
    .action(async (id: string, { json }: { json?: boolean }) => {
      const { seq } = await (await context.sessions()).snapshots.remove(id);
      terminal.out(
        json ? `${JSON.stringify({ id, removed: true, seq })}\n` : `removed snapshot ${printable(id)}\n`,
      );
    });
}
