/** The official release of nats-server: a pinned version, with pinned checksums of its archives. */

import { sha256 } from '../../../bus/codec.ts';
import { RepriseError } from '../../../bus/errors.ts';
import { extractFile } from './archive.ts';

export const RELEASE_VERSION = '2.14.5';

const CHECKSUMS: Record<string, string> = {
  'linux-amd64': '5e3b603d47c447bda1f77f9ac16dbf91c90aac4ff3681f8fbbc7201e4ed99355',
  'linux-arm64': '673a98d3faa79dde3f9ebf16d6dfac36a5f694e7ad2015e4954dd7939c85cd4c',
  'darwin-amd64': 'f95c98d6b6ed2b63c5681b46b092c9585c99767d547cf495730c329234625e96',
  'darwin-arm64': 'ddd907854d9a2de834af133fa396915fe6442fe6d8909ae31390d1ea7a0fea50',
  'windows-amd64': 'f66f840a211ab665083b88e9b7edbcf6296cda143be47e53e6f6bb8520692bbb',
  'windows-arm64': '5e1d5a5df7dc5bd9189daf25b1eb286eafc62f5659cc44996bef9294e2f4c938',
};

/** How long the first answer may take; a machine without a way out must not wait longer. */
const ANSWER_MS = 3_000;
const DOWNLOAD_MS = 120_000;

export interface ReleaseAsset {
  url: string;
  sha256: string;
  kind: 'tar.gz' | 'zip';
  /** Name of the program inside. */
  program: string;
}

/** The release archive for a platform (`process.platform`, `process.arch`), or null when there is none. */
export function releaseAsset(platform: string, arch: string): ReleaseAsset | null {
  const os = platform === 'win32' ? 'windows' : platform;
  const machine = arch === 'x64' ? 'amd64' : arch;
  const checksum = CHECKSUMS[`${os}-${machine}`];
  if (!checksum) return null;
  const kind = os === 'windows' ? 'zip' : 'tar.gz';
  const file = `nats-server-v${RELEASE_VERSION}-${os}-${machine}.${kind}`;
  return {
    url: `https://github.com/nats-io/nats-server/releases/download/v${RELEASE_VERSION}/${file}`,
    sha256: checksum,
    kind,
    program: os === 'windows' ? 'nats-server.exe' : 'nats-server',
  };
}

/**
 * Downloads an archive, checks it, and returns the program inside.
 * @throws RepriseError UNAVAILABLE (no way there, or it answers with an error), CORRUPT (checksum differs).
 */
export async function downloadRelease(
  asset: ReleaseAsset,
  fetch: typeof globalThis.fetch,
): Promise<Uint8Array> {
  const abort = new AbortController();
  let patience = setTimeout(() => abort.abort(new Error(`no answer in ${ANSWER_MS} ms`)), ANSWER_MS);
  let archive: Uint8Array;
  try {
    const response = await fetch(asset.url, { signal: abort.signal, redirect: 'follow' });
    clearTimeout(patience);
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    patience = setTimeout(() => abort.abort(new Error(`not done in ${DOWNLOAD_MS} ms`)), DOWNLOAD_MS);
    archive = new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    throw new RepriseError('UNAVAILABLE', `${asset.url}: ${reason(cause)}`, { cause });
  } finally {
    clearTimeout(patience);
  }
  const actual = sha256(archive);
  if (actual !== asset.sha256) {
    throw new RepriseError('CORRUPT', `${asset.url}: sha256 is ${actual}, expected ${asset.sha256}`);
  }
  return extractFile(archive, asset.kind, asset.program);
}

/** fetch hides what went wrong (`ENOTFOUND`, `ECONNREFUSED`…) in the cause. */
function reason(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause instanceof Error ? thrown.cause.message : thrown.message;
}
