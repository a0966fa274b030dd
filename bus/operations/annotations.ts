/** What is said of a session's moments: how that is asked for, and how it is read. */
import * as v from 'valibot';
import { commandId, flag, natural, optional, type Schema, shaped, text } from '../schema.ts';
import type { CheckpointAnnotation } from '../types.ts';

/**
 * Adds an annotation; where there is one of that label at that event, changes it. With `renamed` it changes one that is
 * there, with `remove` it removes one: then `at` or `label` may be left out where the other one tells which is meant.
 */
export interface AnnotateRequest {
  op: 'annotate';
  session: string;
  /** seq of the event. Absent: the newest one that is no annotation. */
  at?: number;
  label?: string;
  /** The label from now on. */
  renamed?: string;
  /** Absent: as it was. */
  description?: string;
  /** All of them; absent: as they were. */
  tags?: string[];
  remove?: boolean;
  /** The one that is meant makes its moment a snapshot. */
  snapshot?: boolean;
  /** The same id annotates once. */
  commandId: string;
}

export interface AnnotateReply {
  /** seq of the event that says so. */
  seq: number;
  action: 'add' | 'change' | 'remove';
  /** As it is from now on; of one that is removed, as far as it was named. */
  annotation: CheckpointAnnotation;
  /** It had been done before, by the same command. */
  repeated: boolean;
}

export const annotateRequest = shaped<AnnotateRequest>({
  op: v.literal('annotate'),
  session: text,
  at: optional(natural),
  label: optional(text),
  renamed: optional(text),
  description: optional(text),
  tags: optional(v.array(text)),
  remove: optional(flag),
  snapshot: optional(flag),
  commandId,
});

const annotation = shaped<CheckpointAnnotation>({
  checkpointSeq: natural,
  label: text,
  description: text,
  tags: v.array(text),
  created: v.date() as Schema<Date>,
  snapshot: optional(v.literal(true)),
});

export const annotateReply = shaped<AnnotateReply>({
  seq: natural,
  action: v.picklist(['add', 'change', 'remove']),
  annotation,
  repeated: flag,
});

/** `annotations`: what is said of a session, oldest first. */
export interface AnnotationsRequest {
  session: string;
  /** How many of them are known. */
  from?: number;
}
export interface AnnotationsReply {
  annotations: CheckpointAnnotation[];
  /** Go on from there; null: these are all. */
  next: number | null;
}

export const annotationsRequest = shaped<AnnotationsRequest>({ session: text, from: optional(natural) });
export const annotationsReply = shaped<AnnotationsReply>({
  annotations: v.array(annotation),
  next: v.nullable(natural),
});
