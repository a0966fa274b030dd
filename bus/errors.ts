/**
 * Errors that answer three questions: what happened (`message`), is it safe to retry (`retryable`),
 * what to do next (`hint`). Callers branch on `code`, never on text.
 */

/** All codes: is the same request worth another try, and which exit code does the CLI end with. */
export const ERROR_CODES = {
  /** Nobody is subscribed: no owner, no worker, no storage. */
  NO_RESPONDERS: { retryable: true, exit: 5 },
  /** No answer in time; the outcome is unknown. Safe to retry with the same commandId. */
  TIMEOUT: { retryable: true, exit: 5 },
  DISCONNECTED: { retryable: true, exit: 5 },
  UNAVAILABLE: { retryable: true, exit: 5 },
  /** A compare-and-set failed: someone else committed first. */
  FENCED: { retryable: true, exit: 5 },
  /** The part is draining: ask another one. */
  DRAINING: { retryable: true, exit: 5 },
  NOT_FOUND: { retryable: false, exit: 4 },
  BAD_REQUEST: { retryable: false, exit: 2 },
  BAD_NAME: { retryable: false, exit: 2 },
  /** A message, commit or event does not match its schema. */
  BAD_FORMAT: { retryable: false, exit: 2 },
  TOO_LARGE: { retryable: false, exit: 2 },
  SEQ_GAP: { retryable: false, exit: 5 },
  CHAIN_BROKEN: { retryable: false, exit: 3 },
  DIVERGED: { retryable: false, exit: 3 },
  /** The store lacks data that the log says it has, or the data fails its hash. */
  CORRUPT: { retryable: false, exit: 3 },
  CLOSED: { retryable: false, exit: 4 },
  DENIED: { retryable: false, exit: 6 },
  STORAGE_FULL: { retryable: true, exit: 5 },
  /** A model provider failed; `retryable` is set per case. */
  PROVIDER: { retryable: false, exit: 1 },
  INTERNAL: { retryable: false, exit: 5 },
} as const satisfies Record<string, { retryable: boolean; exit: number }>;

/** What callers branch on. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What an error looks like on the wire; satisfies the contract's `ApiErrorResponse`. */
export interface WireError {
  error: string;
  code: ErrorCode;
  retryable: boolean;
  hint?: string;
  at?: LogPoint;
}

/** Where in a log something is wrong. */
export interface LogPoint {
  position: number;
  /** seq of the first event that it concerns, where that is known. */
  seq?: number;
}

/** Every error that one part of Reprise tells another, or the user. */
export class RepriseError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly hint: string | undefined;
  /** Of a log that is not whole: where. */
  readonly at: LogPoint | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; hint?: string; retryable?: boolean; at?: LogPoint } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'RepriseError';
    this.code = code;
    this.retryable = options.retryable ?? ERROR_CODES[code].retryable;
    this.hint = options.hint;
    this.at = options.at;
  }

  /** Process exit code of the CLI for this error. */
  get exitCode(): number {
    return ERROR_CODES[this.code].exit;
  }

  /** The error as a failed reply carries it: without stack and cause. */
  toWire(): WireError {
    const wire: WireError = { error: this.message, code: this.code, retryable: this.retryable };
    if (this.hint !== undefined) wire.hint = this.hint;
    if (this.at !== undefined) wire.at = this.at;
    return wire;
  }

  /** The error that a failed reply tells of. A code that this version does not know becomes `INTERNAL`. */
  static fromWire(wire: WireError): RepriseError {
    const code = Object.hasOwn(ERROR_CODES, wire.code) ? wire.code : 'INTERNAL';
    return new RepriseError(code, wire.error, { hint: wire.hint, retryable: wire.retryable, at: wire.at });
  }

  /** Any thrown thing as a RepriseError; foreign ones become `INTERNAL` with the original as cause. */
  static from(thrown: unknown): RepriseError {
    if (thrown instanceof RepriseError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new RepriseError('INTERNAL', message, { cause: thrown });
  }
}

/** Failures of the way or of the one asked, not of what was asked. */
const PASSING = ['NO_RESPONDERS', 'TIMEOUT', 'DISCONNECTED', 'UNAVAILABLE', 'FENCED', 'DRAINING'] as const;

/** True when asking again may help: it failed on its way, and whoever answered did not say that it is no use. */
export function mayPass(thrown: unknown): thrown is RepriseError {
  return hasCode(thrown, ...PASSING) && thrown.retryable;
}

/** True when `thrown` is a RepriseError with one of the codes. */
export function hasCode(thrown: unknown, ...codes: ErrorCode[]): thrown is RepriseError {
  return thrown instanceof RepriseError && codes.includes(thrown.code);
}
