/** Event family: what is said of the session's moments. */
import type { EventOf } from '../../bus/types.ts';
import { addCommand } from './command-index.ts';
import type { Annotation, EventHandler } from './fold-shape.ts';

type Notes = { annotation: EventHandler<'annotation'> };

/** What one costs whoever reads the log, ms: so that a log of nothing but annotations has checkpoints, too. */
const READ_COST_MS = 0.02;

/** What says which annotation is meant. */
export type AnnotationKey = Pick<Annotation, 'checkpointSeq' | 'label' | 'snapshot'>;

/** Whether an annotation is the one that is meant. */
export function isNamed(one: AnnotationKey, { checkpointSeq, label, snapshot }: AnnotationKey): boolean {
  return one.checkpointSeq === checkpointSeq && one.label === label && one.snapshot === snapshot;
}

export const noteEvents: Notes = {
  annotation: (fold, event) => ({
    standsAt: fold.standsAt,
    annotations: annotationsAfter(fold.annotations, event),
    commands:
      event.commandId === undefined
        ? fold.commands
        : addCommand(fold.commands, event.commandId, Date.parse(event.timestamp) || undefined),
    replayCostMs: fold.replayCostMs + READ_COST_MS,
  }),
};

function annotationsAfter(all: readonly Annotation[], event: EventOf<'annotation'>): readonly Annotation[] {
  if (event.action === 'add') return [...all, annotationOf(event)];
  if (event.action === 'remove') return all.filter((one) => !isNamed(one, event));
  return all.map((one) => (isNamed(one, event) ? annotationOf(event) : one));
}

/** The annotation as an event that adds or changes it leaves it. */
export function annotationOf(event: EventOf<'annotation'>): Annotation {
  const { checkpointSeq, label, renamed, description = '', tags = [], created, timestamp, snapshot } = event;
  const annotation: Annotation = {
    checkpointSeq,
    label: renamed ?? label,
    description,
    tags,
    created: created ?? timestamp,
  };
  return snapshot ? { ...annotation, snapshot } : annotation;
}
