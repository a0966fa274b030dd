/** The little that the host keeps of a session beside its heap. Part of the image and of the stateId: plain JSON. */
import { type CompilerState, initialCompilerState } from './compiler/compile.ts';

export interface SessionState {
  compiler: CompilerState;
  /** Cells begun so far. */
  cells: number;
  /** Number of the cell that runs or waits, null between cells. */
  running: number | null;
  /** Effects that were asked for and have no answer, ascending. */
  pending: number[];
  /** Time of the last step, ms since the epoch. */
  timeMs: number;
  /** Version of its behaviours (`behaviours.ts`). */
  version: number;
  /** There are promises to look after at the end of each turn. */
  unheard?: true;
  /** A scratch session's cell is looked at: address of the word that tells of a look (see `prober.ts`). */
  looks?: number;
}

/** Fields always in the same order, as they are hashed as JSON. */
export function initialState(createdMs: number, version: number): SessionState {
  return { compiler: initialCompilerState, cells: 0, running: null, pending: [], timeMs: createdMs, version };
}
