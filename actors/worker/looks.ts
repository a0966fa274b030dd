/**
 * What a worker answers to looks at sessions: each reads a log beside its session, and most execute it, on a kernel of
 * their own.
 */

import { weightOf } from '../../bus/limits.ts';
import type { AnnotationsReply, AnnotationsRequest } from '../../bus/operations/annotations.ts';
import type { AtReply, LOOK } from '../../bus/operations/looks.ts';
import type { Handlers } from '../../bus/operations/row.ts';
import { normalName } from '../../bus/subjects.ts';
import type { CheckpointAnnotation } from '../../bus/types.ts';
import { applyCommit } from '../timeline/fold.ts';
import { noSession, Timeline, type TimelinePorts } from '../timeline/timeline.ts';
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
  annotations: readAnnotations,
};

/** Bytes of annotations in one answer: it fits into the smallest message that anything runs with. */
const PAGE_BYTES = 32 * 1024;

/** From the newest checkpoint on, without a kernel. */
async function readAnnotations(
  { session, from = 0 }: AnnotationsRequest,
  ports: TimelinePorts,
): Promise<AnnotationsReply> {
  const name = normalName(session);
  const { fold: start, tail } = await new Timeline(ports).load(name, { heapless: true });
  const fold = tail.reduce(applyCommit, start);
  if (fold.seq < 0) throw noSession(name);
  const annotations: CheckpointAnnotation[] = [];
  let bytes = 0;
  for (const { created, ...rest } of fold.annotations.slice(from)) {
    bytes += weightOf(rest) + weightOf(created);
    if (annotations.length > 0 && bytes > PAGE_BYTES) break;
    annotations.push({ ...rest, created: new Date(created) });
  }
  const next = from + annotations.length;
  return { annotations, next: next < fold.annotations.length ? next : null };
}

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
