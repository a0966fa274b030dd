/**
 * The events of a session: all that a log holds. Fields may be added (always optional), never renamed or removed: logs
 * live for ever. Part of the contract: everybody else imports them from `types.ts`.
 */

/** A JSON value: what effects carry across the kernel's wall. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A value that no commit could hold: its canonical bytes are a blob of the session, found by their sha256 (hex). */
export interface LargeValue {
  sha256: string;
  bytes: number;
}

/** An event of another session, after which a fork goes on by itself. */
export interface ForkPoint {
  /** Name of the session that holds the event. */
  session: string;
  /** Its id: another session may come to have its name. */
  id: string;
  seq: number;
  /** Log position and hash of the commit that holds the event. */
  position: number;
  hash: string;
}

/**
 * Seven event types of the contract (with optional additions), then Reprise's own. With `large` an event stands for
 * the whole one: text is cut short, values are null; whoever reads the log puts the whole one back.
 */
export type SessionEvent = { large?: LargeValue } & (
  | {
      type: 'session';
      version: number;
      id: string;
      created: string;
      seq?: number;
      name?: string;
      /** Seed of the kernel's randomness. */
      seed?: string;
      kernel?: string;
      parent?: { id: string; seq: number };
      /** Id of the session that it is a copy of, when it is one: its randomness began with that. */
      origin?: string;
      /** Makes the beginning of a copy idempotent, as it does a cell. */
      commandId?: string;
    }
  | {
      type: 'input';
      seq: number;
      code: string;
      timestamp: string;
      commandId?: string;
      cell?: number;
      /** Wall-clock budget the client asked for. */
      timeoutMs?: number;
    }
  | {
      type: 'output';
      seq: number;
      value: string;
      timestamp: string;
      /** Absent means 'result'. A `result` output ends its cell. */
      stream?: 'result' | 'stdout' | 'stderr';
      /** Console level of stdout/stderr output. */
      level?: string;
      cell?: number;
      shouldExit?: boolean;
      durationMs?: number;
      truncated?: boolean;
    }
  | {
      type: 'checkpoint';
      seq: number;
      reason: string;
      stateId: string;
      timestamp?: string;
      /** Bytes this checkpoint added to the store. */
      sizeBytes?: number;
    }
  | {
      type: 'llm_req';
      seq: number;
      prompt: string;
      receiptKey: string;
      timestamp?: string;
      cell?: number;
      effect?: number;
      /** The whole request: {prompt | messages, model, temperature…}. */
      request?: Json;
    }
  | {
      type: 'llm_resp';
      seq: number;
      response: string;
      receiptKey: string;
      timestamp?: string;
      effect?: number;
      model?: string;
      usage?: { inputTokens: number; outputTokens: number };
      /** The call failed; `response` is ''. The guest sees a rejected promise. */
      error?: { name: string; message: string; code?: string };
    }
  | {
      /** Ends its cell: the cell threw, hit a limit or was interrupted. */
      type: 'error';
      seq: number;
      message: string;
      timestamp: string;
      name?: string;
      stack?: string;
      cell?: number;
      durationMs?: number;
      shouldExit?: boolean;
      /** The turn was undone (memory limit, watchdog): replay does not run it, it applies the failure. */
      rolledBack?: boolean;
    }
  | {
      type: 'effect_req';
      seq: number;
      kind: string;
      effect: number;
      timestamp: string;
      cell?: number;
      payload: Json;
    }
  | {
      type: 'effect_resp';
      seq: number;
      kind: string;
      effect: number;
      timestamp: string;
      value?: Json;
      error?: { name: string; message: string; code?: string };
    }
  | {
      /** The guest no longer waits for the effect (clearTimeout). */
      type: 'effect_cancel';
      seq: number;
      effect: number;
      timestamp: string;
      cell?: number;
    }
  | {
      /** A strike from outside at a deterministic point: replay strikes at the same fuel count. */
      type: 'interrupt';
      seq: number;
      reason: 'user' | 'timeout';
      timestamp: string;
      /** Interrupt-callback count at which it struck, within the turn begun by event `at`; -1: while awaiting. */
      fuel: number;
      at: number;
      commandId?: string;
    }
  | {
      /** Half of a limit of the session is used: told once (of the background: once after each command). */
      type: 'warning';
      seq: number;
      timestamp: string;
      limit: 'heap' | 'effects' | 'background';
      /** Bytes, effects that wait, or turns. */
      used: number;
      max: number;
      cell?: number;
    }
  | {
      /** The background has used up its turns: answers wait until the next command. */
      type: 'paused';
      seq: number;
      timestamp: string;
      /** Turns since the newest input that no cell waited for. */
      turns: number;
      limit: number;
    }
  | {
      /** First event of a fork: what comes before it is its parent's. It may stand amid a turn, and is no part of it. */
      type: 'fork';
      seq: number;
      timestamp: string;
      /** Id and name of the session that begins. */
      id: string;
      name: string;
      parent: ForkPoint;
      /** Makes the fork idempotent, as it does a cell. */
      commandId?: string;
      /** Tells of the session that this one is a copy of: nothing begins here. */
      copied?: boolean;
      /** Effects without an answer that leave receipts: it asks for them by itself, under keys of its own. */
      asked?: { effect: number; receiptKey: string }[];
    }
  | {
      /** A note about a moment of the session: it is part of no turn, and the guest never hears of it. */
      type: 'annotation';
      seq: number;
      timestamp: string;
      action: 'add' | 'change' | 'remove';
      /** seq of the event that it is about. With `label` (and `snapshot`) it says which annotation it is. */
      checkpointSeq: number;
      label: string;
      /** It is the one of a snapshot. */
      snapshot?: true;
      /** Of a change: the label from now on. */
      renamed?: string;
      /** Of a change: when it was added. */
      created?: string;
      /** What it says from now on; absent: nothing. */
      description?: string;
      tags?: string[];
      commandId?: string;
    }
  | { type: 'closed'; seq: number; reason: string; timestamp: string }
);

export type SessionEventType = SessionEvent['type'];
/** The event of one type. */
export type EventOf<T extends SessionEventType> = Extract<SessionEvent, { type: T }>;
