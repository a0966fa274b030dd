/** What somebody says of a session's moments, as events: which annotation is meant, and whether there is room for it. Pure. */
import { RepriseError } from '../../bus/errors.ts';
import {
  ANNOTATION_BYTES_MAX,
  ANNOTATIONS_BYTES_MAX,
  ANNOTATIONS_MAX,
  LABEL_UNITS_MAX,
  TAG_UNITS_MAX,
  TAGS_MAX,
  weightOf,
} from '../../bus/limits.ts';
import type { AnnotateReply, AnnotateRequest } from '../../bus/operations/annotations.ts';
import type { EventOf } from '../../bus/types.ts';
import { type AnnotationKey, annotationOf, isNamed } from '../timeline/fold-notes.ts';
import type { Annotation, SessionFold } from '../timeline/fold-shape.ts';
import { noEvent } from '../timeline/timeline.ts';

type Note = EventOf<'annotation'>;
type Said = Pick<AnnotateRequest, 'description' | 'tags'>;

/**
 * The event that does what is asked.
 * @throws RepriseError CLOSED; NOT_FOUND (no such event, no such annotation); BAD_REQUEST when it is not clear what is
 * meant; TOO_LARGE when there is no room
 */
export function noteEvent(request: AnnotateRequest, fold: SessionFold, timestamp: string): Note {
  if (fold.closed) throw endedError(fold.name);
  const { label, renamed, commandId } = request;
  const frame = { type: 'annotation', seq: fold.seq + 1, timestamp, commandId } as const;
  if (request.remove) return { ...frame, action: 'remove', ...keyOf(meantBy(request, fold)) };
  const at = request.at ?? fold.standsAt;
  const snapshot = request.snapshot ? ({ snapshot: true } as const) : {};
  const found =
    renamed === undefined
      ? fold.annotations.find((one) =>
          isNamed(one, { checkpointSeq: at, label: fitting('label', label), ...snapshot }),
        )
      : meantBy(request, fold);
  if (!found) {
    if (at > fold.seq || fold.seq < 0) throw noEvent(fold.name, at, fold.seq);
    const key = { checkpointSeq: at, label: fitting('label', label), ...snapshot };
    return fit({ ...frame, action: 'add', ...key, ...said(request) }, fold);
  }
  const { description = found.description, tags = found.tags } = request;
  const change: Note = { ...frame, action: 'change', ...keyOf(found), created: found.created };
  if (renamed !== undefined && renamed !== found.label) {
    change.renamed = fitting('label', renamed);
    if (fold.annotations.some((one) => isNamed(one, { ...found, label: renamed })))
      throw refusal(`event ${found.checkpointSeq} has an annotation ${JSON.stringify(renamed)} already`);
  }
  return fit({ ...change, ...said({ description, tags }) }, fold, found);
}

/** What is answered once the event is durable. */
export function noteReply(event: Note, repeated = false): AnnotateReply {
  const { created, ...annotation } = annotationOf(event);
  const { seq, action } = event;
  return { seq, action, annotation: { ...annotation, created: new Date(created) }, repeated };
}

const keyOf = ({ checkpointSeq, label, snapshot }: Annotation): AnnotationKey =>
  snapshot ? { checkpointSeq, label, snapshot } : { checkpointSeq, label };

/** The one annotation that event and label, or one of them, tell. */
function meantBy({ at, label, snapshot = false }: AnnotateRequest, { annotations, name }: SessionFold) {
  const what = snapshot ? 'snapshot' : 'annotation';
  const said = [
    at === undefined ? '' : ` at event ${at}`,
    label === undefined ? '' : ` with the label ${JSON.stringify(label)}`,
  ].join('');
  if (said === '')
    throw refusal(`it is not said which ${what} is meant`, 'name its event, its label or both');
  const found = annotations.filter(
    (one) =>
      (at === undefined || one.checkpointSeq === at) &&
      (label === undefined || one.label === label) &&
      (one.snapshot ?? false) === snapshot,
  );
  if (found.length === 1) return found[0]!;
  if (found.length > 1)
    throw refusal(`there are ${found.length} annotations${said}`, 'name both event and label');
  throw new RepriseError('NOT_FOUND', `session ${JSON.stringify(name)} has no ${what}${said}`, {
    hint: `nothing was changed; \`reprise ${what}s\` lists them`.replace('snapshots`', 'snapshot ls`'),
  });
}

function said({ description = '', tags = [] }: Said): Said {
  if (tags.length > TAGS_MAX) throw tooMuch(`it has ${tags.length} tags; the limit is ${TAGS_MAX}`);
  const fits = [...new Set(tags.map((tag) => fitting('tag', tag)))];
  return { ...(description === '' ? {} : { description }), ...(fits.length === 0 ? {} : { tags: fits }) };
}

function fitting(what: 'label' | 'tag', text = ''): string {
  const most = what === 'label' ? LABEL_UNITS_MAX : TAG_UNITS_MAX;
  if (text.trim() === '') throw refusal(`the ${what} is empty`, `a ${what} has 1 to ${most} characters`);
  if (text.length > most) throw tooMuch(`the ${what} has ${text.length} characters; the limit is ${most}`);
  return text;
}

/** The event, when there is room for what it says. @param before what it is instead of */
function fit(event: Note, { annotations }: SessionFold, before?: Annotation): Note {
  const bytes = bytesOf(annotationOf(event));
  if (bytes > ANNOTATION_BYTES_MAX)
    throw tooMuch(`label, description and tags have ${bytes} bytes; the limit is ${ANNOTATION_BYTES_MAX}`);
  const others = annotations.filter((one) => one !== before);
  if (others.length >= ANNOTATIONS_MAX)
    throw tooMuch(`the session has ${others.length} annotations, as many as one may have`);
  const all = others.reduce((sum, one) => sum + bytesOf(one), bytes);
  if (all > ANNOTATIONS_BYTES_MAX)
    throw tooMuch(
      `the annotations of the session have ${all} bytes with it; the limit is ${ANNOTATIONS_BYTES_MAX}`,
    );
  return event;
}

const bytesOf = ({ label, description, tags }: Annotation): number =>
  weightOf(label) + weightOf(description) + weightOf(tags);

const refusal = (what: string, hint = '`reprise annotations` lists what there is'): RepriseError =>
  new RepriseError('BAD_REQUEST', what, { hint: `nothing was changed; ${hint}` });

const tooMuch = (what: string): RepriseError =>
  new RepriseError('TOO_LARGE', what, {
    hint: 'nothing was changed; say less, or remove annotations first (`reprise annotate --remove`)',
  });

const endedError = (name: string): RepriseError =>
  new RepriseError(
    'CLOSED',
    `session ${JSON.stringify(name)} is closed: nothing is added to its log any more`,
    {
      hint: 'nothing was changed; `reprise fork` goes on from before its end, with its annotations, and takes new ones',
    },
  );
