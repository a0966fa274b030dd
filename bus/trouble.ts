/** Sessions that cannot be restored: what workers tell storage of them, and storage everybody. */
import type { ErrorCode } from './errors.ts';

/** Why a session cannot be restored, and when it is tried again. */
export interface Trouble {
  /** Its name, or its token where no name can be read. */
  session: string;
  code: ErrorCode;
  message: string;
  hint?: string;
  /** Tries that failed in a row; 0: its newest commit cannot be read at all. */
  tries: number;
  /** No try before, ms since the epoch. */
  nextAt: number;
}
/** `store.trouble`: a worker could not restore a session, or could after all. */
export interface TroubleRequest {
  session: string;
  /** Version of the kernel that tried. */
  kernel: string;
  /** null: it was restored. */
  failure: Pick<Trouble, 'code' | 'message' | 'hint'> | null;
}
