/** What is said of moments, as the client library tells it. */
import type { AnnotateRequest } from '../operations/annotations.ts';
import type { CheckpointAnnotation, EventOf } from '../types.ts';
import type { LookOptions } from './options.ts';

/** What is said, and of which event: as `AnnotateRequest` has it. */
export type AnnotationWish = Omit<AnnotateRequest, 'op' | 'session' | 'commandId'>;

export interface AnnotateOptions extends LookOptions {
  /** The same id annotates once: give it to retry after TIMEOUT. Default: a new one. */
  commandId?: string;
}

/** Which annotations are sought; absent: all. */
export interface AnnotationFilter {
  /** It has all of them. */
  tags?: readonly string[];
  /** Each word is in its label, its description or a tag, in capitals or not. */
  text?: string;
}

/** Whether an annotation is one of those that are sought. Pure. */
export function isSought(
  annotation: CheckpointAnnotation,
  { tags = [], text = '' }: AnnotationFilter,
): boolean {
  const { label, description } = annotation;
  if (!tags.every((tag) => annotation.tags.includes(tag))) return false;
  const all = [label, description, ...annotation.tags].join('\n').toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

/** What an annotation says, and of which event. */
export function annotationText(event: EventOf<'annotation'>): string {
  const { action, checkpointSeq, label, renamed, description, tags = [], snapshot } = event;
  const what = { add: '', change: 'changed: ', remove: 'removed: ' }[action];
  const name = snapshot ? 'snapshot' : JSON.stringify(renamed ?? label);
  const marks = tags.map((tag) => ` #${tag}`).join('');
  return `${what}${name} at seq ${checkpointSeq}${marks}${description ? ` — ${description}` : ''}`;
}
