/** A turn may print more pieces than a commit holds, or than a function takes arguments. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { DEFAULT_LIMITS } from '../../actors/kernel/limits.ts';
import {
  LARGE_BYTES_MAX,
  limitsOf,
  mebibytes,
  OUTPUT_PIECES_MAX,
  PAYLOAD_BYTES_MIN,
} from '../../bus/limits.ts';
import { startSystem } from '../kit/system.ts';

const printing = (lines: number, text: string) =>
  `for (let i = 0; i < ${lines}; i++) console[i % 2 ? 'log' : 'error'](${JSON.stringify(text)}); kept = ${lines}`;

describe('a turn that prints many pieces', () => {
  it('keeps what it did to the variables, is cut with a notice, and can be restored', async () => {
    await using system = await startSystem({ workers: 2 });
    const client = await system.connect();
    await client.execute('many', 'var kept = 0');
    const cases = [
      [70_000, ''],
      [20_000, 'a line of some length, 漢字 and all'],
      [3, '漢'.repeat(120_000)],
    ] as const;
    for (const [lines, text] of cases) {
      const reply = await client.execute('many', printing(lines, text), { timeoutMs: 60_000 });
      assert.equal(reply.error, null);
      assert.equal(reply.output, String(lines));
      const isCut =
        lines > OUTPUT_PIECES_MAX || lines * (Buffer.byteLength(text) + 1) > DEFAULT_LIMITS.outputBytes;
      assert.equal(/of output dropped/.test(reply.stderr), isCut, `${lines} lines of ${text.length}`);
    }
    assert.equal((await client.execute('many', 'kept')).output, '3');
    // Whoever takes over reads all of it again.
    system.kill((await client.execute('many', 'kept')).worker);
    assert.equal((await client.execute('many', 'kept', { waitMs: 60_000 })).output, '3');
    const { divergence } = await client.replay('many');
    assert.equal(divergence, undefined);
  });
});

describe('limits on size', () => {
  it('are what the README says', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    const row = (what: string) => new RegExp(`^\\| ${what} \\| (.*) \\|$`, 'm').exec(readme)?.[1] ?? '';
    assert.equal(row('heap of a session'), mebibytes(DEFAULT_LIMITS.memoryBytes));
    assert.equal(row('code of a cell'), mebibytes(DEFAULT_LIMITS.cellBytes));
    assert.ok(row('console output of a turn').startsWith(`${mebibytes(DEFAULT_LIMITS.outputBytes)}, `));
    assert.ok(
      row("a model's answer, and every other value of the log").startsWith(mebibytes(LARGE_BYTES_MAX)),
    );
    const pieces = DEFAULT_LIMITS.outputPieces.toLocaleString('en');
    assert.ok(row('console output of a turn').includes(`${pieces} pieces`));
  });

  it('fit into one another on every server, and too small a server is refused', () => {
    for (let payload = PAYLOAD_BYTES_MIN; payload < 100_000_000; payload = Math.floor(payload * 1.37)) {
      const { contentBytes, commitBytes, batchBytes } = limitsOf(payload);
      assert.ok(
        0 < batchBytes && batchBytes < commitBytes && 2 * commitBytes <= contentBytes,
        String(payload),
      );
      assert.ok(contentBytes < payload);
    }
    for (const payload of [0, PAYLOAD_BYTES_MIN - 1, Number.NaN]) {
      assert.throws(() => limitsOf(payload), { code: 'UNAVAILABLE', retryable: false });
    }
  });
});
