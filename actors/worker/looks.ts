/** What a worker answers to looks at sessions: each executes a log beside its session, on a kernel of its own. */

import type { AtReply, LOOK } from '../../bus/operations/looks.ts';
import type { Handlers } from '../../bus/operations/row.ts';
import { normalName } from '../../bus/subjects.ts';
import { Timeline, type TimelinePorts } from '../timeline/timeline.ts';
import { bisect } from './bisection.ts';
import { verifyFully } from './full-verification.ts';
import { lastGood } from './last-good.ts';
import { metadataOf, stateOf } from './reports.ts';
import { verifySession } from './verification.ts';

export const LOOKS: Handlers<typeof LOOK, [TimelinePorts]> = {
  replay: ({ session }, ports) => verifySession(normalName(session), ports),
  verify: (request, ports) => verifyFully({ ...request, session: normalName(request.session) }, ports),
  lastGood: ({ session }, ports) => lastGood(normalName(session), ports),
  at: lookAt,
  bisect,
};

function lookAt(
  { session, seq, code, timeoutMs }: Parameters<typeof LOOKS.at>[0],
  ports: TimelinePorts,
): Promise<AtReply> {
  const name = normalName(session);
  return new Timeline(ports).visit(name, seq, async (moment) => {
    const { fold, open, leftover, cell, time, passedOver } = moment;
    const report = await moment.look();
    // Of a turn that is under way only a part has been told.
    const state = stateOf(fold, {
      state: open || leftover.length > 0 ? 'running' : undefined,
      report,
      kernel: ports.kernel.version,
    });
    const reply: AtReply = { session: name, seq: fold.seq, cell, time, state, metadata: metadataOf(fold) };
    if (open) reply.unfinished = true;
    if (passedOver.length > 0) reply.passedOver = [...passedOver];
    if (code !== undefined) reply.evaluated = await moment.evaluate(code, timeoutMs);
    return reply;
  });
}
