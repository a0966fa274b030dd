/** Verification of a session that is in a file: no server has a part in it. */
import { createReadStream } from 'node:fs';
import { BundledLog } from '../../bus/bundled-log.ts';
import { lastSeqOf } from '../../bus/chain.ts';
import { RepriseError } from '../../bus/errors.ts';
import type { ReplayReply } from '../../bus/operations/looks.ts';
import { callsOf, KINDS } from '../effects/kinds.ts';
import { makeKernelHost } from '../kernel/host.ts';
import type { TimelineStore } from '../timeline/ports.ts';
import { verifySession } from './verification.ts';

export interface BundleReply extends ReplayReply {
  session: string;
  /** Hash of its newest commit: two bundles with the same one hold the same session. */
  hash: string;
  commits: number;
}

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Verifies a bundle in this process: that it is whole, and that executing it from its first event gives what it says.
 * @throws RepriseError BAD_FORMAT (no bundle), CORRUPT (which record), CHAIN_BROKEN (which event), BAD_REQUEST (it cannot
 * be read). Differences of the execution are results.
 */
export async function verifyBundle(path: string): Promise<BundleReply> {
  const log = await BundledLog.read(bytesOf(path));
  const { commits, session } = log;
  const kernel = await makeKernelHost({ calls: callsOf(KINDS), threads: 1, instances: 2 });
  try {
    const reply = await verifySession(session, { store: storeOf(log), kernel, log: SILENT });
    return { session, ...reply, hash: commits.at(-1)!.commit.hash, commits: commits.length };
  } finally {
    await kernel.close();
  }
}

/** The log as storage would give it to who executes it from its first event. */
function storeOf(log: BundledLog): TimelineStore {
  const { commits } = log;
  return {
    getLarge: (scope, value) => log.getLarge(scope, value),
    load: async () => ({ last: commits.at(-1)!, checkpoint: null, tail: [...commits], more: false }),
    async *read(_session, from, to = Number.POSITIVE_INFINITY) {
      for (const stored of commits) {
        const { commit, upTo = lastSeqOf(commit) } = stored;
        if (upTo >= from && commit.first <= to) yield stored;
      }
    },
    async *scan() {
      yield commits.map(({ commit, position, sizeBytes }) => ({ commit, position, sizeBytes }));
    },
    image: async () => null,
    trouble: async () => {},
  };
}

async function* bytesOf(path: string): AsyncGenerator<Uint8Array, void> {
  try {
    yield* createReadStream(path, { highWaterMark: 256 * 1024 }) as AsyncIterable<Uint8Array>;
  } catch (cause) {
    throw new RepriseError('BAD_REQUEST', `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}
