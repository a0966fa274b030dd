/** What a worker answers to looks at sessions: each executes a log beside its session, on a kernel of its own. */

import type { AtReply, LOOK } from '../../bus/operations/looks.ts';
import type { Handlers } from '../../bus/operations/row.ts';
import { normalName } from '../../bus/subjects.ts';
import { divergenceError, Timeline } from '../timeline/timeline.ts';
import { bisect } from './bisection.ts';
import { lastGood } from './last-good.ts';
import { metadataOf, stateOf } from './reports.ts';
import { type VerificationPorts, verifySession } from './verification.ts';

/** Budget of code that is run at a moment, ms. */
const EVALUATION_MS = 30_000;

export const LOOKS: Handlers<typeof LOOK, [VerificationPorts]> = {
  replay: ({ session }, ports) => verifySession(normalName(session), ports),
  lastGood: ({ session }, ports) => lastGood(normalName(session), ports),
  at: lookAt,
  bisect,
};

async function lookAt(
  { session, seq, code, timeoutMs = EVALUATION_MS }: Parameters<typeof LOOKS.at>[0],
  ports: VerificationPorts,
): Promise<AtReply> {
  const name = normalName(session);
  const moment = await new Timeline(ports).openAt(name, seq);
  try {
    const { fold, divergence } = moment;
    if (divergence) throw divergenceError(name, divergence);
    const report = await moment.look();
    // Of a turn that is under way only a part has been told.
    const state = moment.open || moment.leftover.length > 0 ? 'running' : undefined;
    const reply: AtReply = {
      session: name,
      seq: fold.seq,
      cell: fold.running?.cell ?? fold.cells,
      time: new Date(fold.timeMs).toISOString(),
      state: stateOf(fold, { state, report, kernel: ports.kernel.version }),
      metadata: metadataOf(fold),
    };
    if (moment.open) reply.unfinished = true;
    if (moment.passedOver.length > 0) reply.passedOver = [...moment.passedOver];
    if (code !== undefined) reply.evaluated = await moment.evaluate(code, timeoutMs);
    return reply;
  } finally {
    moment.close();
  }
}
