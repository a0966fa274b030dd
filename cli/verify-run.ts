/** A run of `reprise verify` over sessions: what is told of each, what is remembered, and what comes of all. */
import type { SessionClient } from '../bus/client/client.ts';
import { hasCode, RepriseError } from '../bus/errors.ts';
import type { Trouble } from '../bus/operations/catalogue.ts';
import type { VerifiedPlace } from '../bus/operations/looks.ts';
import { type Context, EXIT } from './context.ts';
import { failureJson } from './render/failure.ts';
import type { Palette } from './render/palette.ts';
import { printable } from './render/text.ts';
import {
  renderVerified,
  renderVerifyFailure,
  renderVerifySummary,
  type VerifyTally,
  verifiedJson,
} from './render/verification.ts';
import { StatusLine } from './status-line.ts';
import type { VerifiedFile } from './verified.ts';

export interface VerifyOptions {
  /** The sessions are all there are: one that is removed meanwhile is no failure. */
  all?: boolean;
  json?: boolean;
  /** What was verified before is left out where nothing has changed. */
  resume?: boolean;
  schedule?: string;
}

export interface VerifyPorts {
  context: Context;
  sessions: SessionClient;
  file: VerifiedFile;
}

/** How many sessions are to be verified, and which of them are known to be in trouble. */
export interface Found {
  total: number;
  troubles?: readonly Trouble[];
}

export class VerifyRun {
  readonly #context: Context;
  readonly #sessions: SessionClient;
  readonly #file: VerifiedFile;
  readonly #options: VerifyOptions;
  readonly #known: ReturnType<VerifiedFile['read']>;
  readonly #troubles: ReadonlyMap<string, Trouble>;
  readonly #status: StatusLine;
  readonly #running = new Set<string>();
  readonly #tally: VerifyTally;
  #unrecorded = false;
  /** Exit code of the first session that could not be verified. */
  #failedCode: number = EXIT.ok;

  constructor(
    { context, sessions, file }: VerifyPorts,
    { total, troubles = [] }: Found,
    options: VerifyOptions,
  ) {
    this.#context = context;
    this.#sessions = sessions;
    this.#file = file;
    this.#options = options;
    this.#troubles = new Map(troubles.map((trouble) => [trouble.session, trouble]));
    this.#known = options.resume ? file.read() : new Map();
    this.#status = new StatusLine(context.terminal);
    this.#tally = { total, verified: 0, skipped: 0, diverged: 0, failed: 0, gone: 0, interrupted: false };
  }

  /** One session; a failure is told, and the others go on. */
  async verify(name: string, signal: AbortSignal): Promise<void> {
    const tally = this.#tally;
    const { schedule } = this.#options;
    this.#running.add(name);
    this.#tellStatus();
    try {
      const known = this.#knownOf(name);
      const reply = await this.#sessions.verify(name, { schedule, known, signal });
      const { seq, hash, kernel, verified } = reply;
      if (verified) tally.verified += 1;
      else tally.diverged += 1;
      if (reply.known) tally.skipped += 1;
      else this.#record(() => this.#file.note(name, verified ? { seq, hash, kernel, schedule } : null));
      this.#tell((palette) => renderVerified(reply, palette), verifiedJson(reply));
    } catch (thrown) {
      if (signal.aborted) return;
      const isMissing = hasCode(thrown, 'NOT_FOUND');
      const trouble = isMissing ? this.#troubles.get(name) : undefined;
      if (this.#options.all && isMissing && !trouble) {
        tally.gone += 1;
        return;
      }
      // A session whose name nobody can read is not found by what it is listed as.
      const error = trouble
        ? new RepriseError(trouble.code, trouble.message, { hint: trouble.hint })
        : RepriseError.from(thrown);
      tally.failed += 1;
      this.#failedCode ||= error.exitCode;
      this.#tell(
        (palette) => renderVerifyFailure(name, error, palette),
        failureJson(error, { session: name }),
      );
    } finally {
      this.#running.delete(name);
      this.#tellStatus();
    }
  }

  /** Where an earlier run has verified it, as thoroughly as it is to be verified now. */
  #knownOf(name: string): VerifiedPlace | undefined {
    const before = this.#known.get(name);
    const { schedule } = this.#options;
    if (!before || (schedule !== undefined && before.schedule !== schedule)) return undefined;
    const { seq, hash, kernel } = before;
    return { seq, hash, kernel };
  }

  /** The sum of it. */
  end(interrupted: boolean): void {
    const { terminal } = this.#context;
    const tally = this.#tally;
    this.#status.clear();
    this.#record(() => this.#file.save());
    const done = tally.verified + tally.diverged + tally.failed + tally.gone;
    tally.interrupted = interrupted && done < tally.total;
    const { errPalette, palette } = terminal;
    if (this.#options.json) terminal.err(renderVerifySummary(tally, errPalette));
    else terminal.out(renderVerifySummary(tally, palette));
    if (tally.interrupted) this.#context.exitCode = EXIT.interrupted;
    else this.#context.exitCode = tally.diverged > 0 ? EXIT.divergence : this.#failedCode;
  }

  /** A record that cannot be written costs a later run time, and this one nothing. */
  #record(write: () => void): void {
    if (this.#unrecorded) return;
    try {
      write();
    } catch (thrown) {
      this.#unrecorded = true;
      const { message } = RepriseError.from(thrown);
      const { terminal } = this.#context;
      this.#status.clear();
      terminal.err(
        `${terminal.errPalette.yellow(`what is verified is not remembered: ${printable(message)}`)}\n`,
      );
    }
  }

  #tell(text: (palette: Palette) => string, json: string): void {
    const { terminal } = this.#context;
    this.#status.clear();
    terminal.out(this.#options.json ? json : text(terminal.palette));
  }

  #tellStatus(): void {
    const { total, verified, diverged, failed, gone } = this.#tally;
    const done = verified + diverged + failed + gone;
    const found = diverged > 0 ? `, ${diverged} diverged` : '';
    this.#status.show(`${done} of ${total}${found}: ${[...this.#running].join(', ')}`);
  }
}
