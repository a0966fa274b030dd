/** What a session needs from the world around it: narrow facets, owned here, implemented by the worker. */
import type { LargeStore } from '../../bus/large.ts';
import { BACKGROUND_TURNS_MAX, type SizeLimits } from '../../bus/limits.ts';
import type { LivePrinted } from '../../bus/live.ts';
import type { AppendReply, FindBounds, FoundCommand } from '../../bus/operations/logs.ts';
import type { PassedOver } from '../../bus/operations/sessions.ts';
import type { Clock } from '../../bus/port.ts';
import type { Commit, SessionEvent, SessionMetadata } from '../../bus/types.ts';
import type { EffectKind } from '../effects/kind.ts';
import type { EffectRunner } from '../effects/runner.ts';
import type { KernelHost } from '../kernel/port.ts';
import type { Log, TimelineStore } from '../timeline/ports.ts';
import type { EndReason } from './machine.ts';

export interface SessionStore extends LargeStore, TimelineStore {
  /** What fits into a commit, as the server is now. */
  readonly limits: SizeLimits;
  /**
   * Appends a commit and comes back only with a definite outcome: an unknown one is asked for again under the
   * same commit id, which is safe.
   * @throws RepriseError FENCED, or a refusal (TOO_LARGE, STORAGE_FULL, BAD_FORMAT…), or UNAVAILABLE once
   * storage has been silent for long.
   */
  append(commit: Commit, expected: number): Promise<AppendReply>;
  /** Events of a command, whole. */
  find(name: string, commandId: string, within: FindBounds): Promise<FoundCommand>;
  get(name: string): Promise<SessionMetadata | null>;
  /** True when the image was not there before. */
  putImage(stateId: string, bytes: Uint8Array): Promise<boolean>;
}

export interface SessionSettings {
  /** Replay cost after which an idle moment is used for a checkpoint, ms. */
  softReplayMs: number;
  /** Replay cost after which a checkpoint is taken before the next command, ms. */
  hardReplayMs: number;
  /** A cell that computes for longer has its input committed before its outcome, ms. */
  earlyCommitMs: number;
  /** Quiet time that counts as an idle moment, ms. */
  idleMs: number;
  /** Turns without a cell (timers' callbacks) that may follow a command; then the session pauses until the next one. */
  backgroundTurnsMax: number;
}

export const DEFAULT_SETTINGS: SessionSettings = {
  softReplayMs: 10,
  hardReplayMs: 40,
  earlyCommitMs: 50,
  idleMs: 5,
  backgroundTurnsMax: BACKGROUND_TURNS_MAX,
};

export interface SessionPorts {
  /** Id of the worker. */
  worker: string;
  kernel: KernelHost;
  clock: Clock;
  store: SessionStore;
  effects: EffectRunner;
  /** Kinds of effects, for readers; default: those there are. */
  kindOf?: (name: string) => EffectKind;
  log: Log;
  /** Unique ids: commits, sessions, seeds. */
  newId(): string;
  settings: SessionSettings;
  /**
   * Shows what a turn prints while it runs. The event that began the turn is durable then, what it printed is not yet.
   * Absent: nobody could look.
   */
  show?(session: string, printed: LivePrinted): void;
  /** Told when a session stands where its log ends, and which checkpoints were of no use. */
  onRestored?(passedOver: readonly PassedOver[]): void;
}

export interface SessionListener {
  /** Events that are durable now. */
  onCommitted(events: readonly SessionEvent[]): void;
  /** The session is not resident any more. */
  onEnd(why: EndReason, error: unknown): void;
}
