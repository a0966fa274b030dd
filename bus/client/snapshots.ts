/**
 * Snapshots: moments of a session that somebody keeps. Each is a checkpoint with an annotation, so it costs what that
 * costs, stays as long as the session's log, and is there in whatever is forked behind it.
 */
import { RepriseError } from '../errors.ts';
import type { AnnotateReply } from '../operations/annotations.ts';
import type { ForkReply } from '../operations/lineage.ts';
import { normalName } from '../subjects.ts';
import type { CheckpointAnnotation, SnapshotMetadata } from '../types.ts';
import { type AnnotationFilter, type AnnotationWish, isSought } from './annotations.ts';
import type { ForkOptions, LookOptions } from './options.ts';

export interface Snapshot extends SnapshotMetadata {
  /** seq of its checkpoint. */
  checkpointSeq: number;
}

export interface SnapshotWish {
  description?: string;
  tags?: string[];
}

/** What snapshots need of the client. */
interface Sessions {
  checkpoint(session: string, options: LookOptions): Promise<{ seq: number }>;
  annotate(session: string, wish: AnnotationWish, options: LookOptions): Promise<AnnotateReply>;
  annotations(
    session: string,
    filter: AnnotationFilter,
    options: LookOptions,
  ): Promise<CheckpointAnnotation[]>;
  fork(session: string, name: string, seq: number, options: ForkOptions): Promise<ForkReply>;
}

const LABEL = 'snapshot';

export class Snapshots {
  readonly #sessions: Sessions;

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  /**
   * Keeps the session as it is now, at the next quiet moment.
   * @throws RepriseError NOT_FOUND, CLOSED, TOO_LARGE
   */
  async create(session: string, wish: SnapshotWish = {}, options: LookOptions = {}): Promise<Snapshot> {
    const { seq } = await this.#sessions.checkpoint(session, options);
    const said = { ...wish, at: seq, label: LABEL, snapshot: true };
    const { annotation } = await this.#sessions.annotate(session, said, options);
    return snapshotOf(session, annotation);
  }

  /** Those of a session, oldest first. @throws RepriseError NOT_FOUND */
  async list(session: string, filter: AnnotationFilter = {}, options: LookOptions = {}): Promise<Snapshot[]> {
    const all = await this.#sessions.annotations(session, {}, options);
    return all.filter((one) => one.snapshot && isSought(one, filter)).map((one) => snapshotOf(session, one));
  }

  /** @throws RepriseError NOT_FOUND */
  async get(id: string, options: LookOptions = {}): Promise<Snapshot> {
    const { session } = parsed(id);
    const found = (await this.list(session, {}, options)).find((one) => one.id === idOf(parsed(id)));
    if (found) return found;
    throw new RepriseError('NOT_FOUND', `there is no snapshot ${JSON.stringify(id)}`, {
      hint: '`reprise snapshot ls` lists the snapshots',
    });
  }

  /** Begins a session that is as the snapshot is, and goes on by itself. @throws RepriseError as `get` and `fork` */
  async restore(id: string, name: string, options: ForkOptions = {}): Promise<ForkReply> {
    const { sessionName, checkpointSeq } = await this.get(id, options);
    return this.#sessions.fork(sessionName, name, checkpointSeq, options);
  }

  /** It is no snapshot any more; the log keeps its checkpoint. @throws RepriseError NOT_FOUND, CLOSED */
  async remove(id: string, options: LookOptions = {}): Promise<{ seq: number }> {
    const { session, seq: at } = parsed(id);
    const { seq } = await this.#sessions.annotate(session, { at, snapshot: true, remove: true }, options);
    return { seq };
  }
}

interface SnapshotPlace {
  session: string;
  seq: number;
}

const idOf = ({ session, seq }: SnapshotPlace): string => `${session}@${seq}`;

function snapshotOf(session: string, annotation: CheckpointAnnotation): Snapshot {
  const { checkpointSeq, created, description, tags } = annotation;
  const sessionName = normalName(session);
  const id = idOf({ session: sessionName, seq: checkpointSeq });
  return { id, sessionName, checkpointSeq, created, description, tags };
}

/** @throws RepriseError BAD_REQUEST */
function parsed(id: string): SnapshotPlace {
  const [, session, digits] = /^([\s\S]+)@(\d+)$/.exec(id) ?? [];
  const seq = Number(digits);
  if (session !== undefined && Number.isSafeInteger(seq)) return { session: normalName(session), seq };
  throw new RepriseError('BAD_REQUEST', `${JSON.stringify(id)} is no id of a snapshot`, {
    hint: 'it is <session>@<seq>, as `reprise snapshot ls` shows it',
  });
}
