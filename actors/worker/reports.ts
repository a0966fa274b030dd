/** What is told of a session to those who look at it. Pure. */
import { parentFact } from '../../bus/chain.ts';
import type { ReplState, SessionMetadata } from '../../bus/types.ts';
import type { EffectKind } from '../effects/kind.ts';
import { kindOf as kindIn } from '../effects/kinds.ts';
import type { InspectReport } from '../kernel/port.ts';
import type { SessionFold } from '../timeline/fold-shape.ts';

/** Characters of a request that waits. */
const DETAIL_CHARS = 120;

export interface StateFacts {
  /** Where its statechart stands; absent: nobody runs it. */
  state?: string;
  /** What the kernel says of its heap; null when it was not asked. */
  report: InspectReport | null;
  /** Kinds of effects; default: those there are. */
  kindOf?: (name: string) => EffectKind;
  /** Version of the kernel. */
  kernel: string;
  /** Absent: no background work is counted. */
  backgroundTurnsMax?: number;
}

export function stateOf(fold: SessionFold, facts: StateFacts): ReplState {
  const { state, report, kernel, backgroundTurnsMax, kindOf = kindIn } = facts;
  const told: ReplState = {
    seq: fold.seq,
    cells: fold.cells,
    status: statusOf(fold, state),
    stateId: report?.stateId ?? fold.checkpoint?.stateId ?? '',
    heapBytes: report?.heapBytes ?? 0,
    kernel,
    variables: report?.variables ?? [],
    pending: Array.from(fold.effects, ({ effect, kind, seq, payload }) => {
      const detail = kindOf(kind).detail(payload).slice(0, DETAIL_CHARS);
      return { effect, kind, seq, detail };
    }),
  };
  if (backgroundTurnsMax !== undefined) {
    told.background = { turns: fold.backgroundTurns, limit: backgroundTurnsMax, paused: fold.paused };
  }
  return told;
}

function statusOf(fold: SessionFold, state: string | undefined): ReplState['status'] {
  if (fold.closed) return 'closed';
  if (state === 'running' || state === 'committing') return 'running';
  return fold.running ? 'awaitingEffects' : 'ready';
}

export function metadataOf(fold: SessionFold): SessionMetadata {
  return {
    id: fold.id,
    name: fold.name,
    created: new Date(fold.created),
    lastAccessed: new Date(fold.timeMs),
    eventCount: fold.seq + 1,
    checkpointCount: fold.checkpointCount,
    size: fold.log.sizeBytes,
    ...parentFact(fold.parent),
  };
}
