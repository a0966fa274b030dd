import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { makeKernelHost } from '../../actors/kernel/host.ts';
import { diffImages } from '../../actors/kernel/image-diff.ts';
import type { KernelHost } from '../../actors/kernel/port.ts';
import { KernelSession } from '../kit/kernel-session.ts';

describe('comparing heap images', () => {
  let kernel: KernelHost;
  before(async () => {
    kernel = await makeKernelHost({ threads: 1 });
  });
  after(() => kernel.close());

  const imageOf = async (name: string, ...cells: string[]) => {
    const session = await KernelSession.open(kernel, name);
    for (const cell of cells) await session.run(cell);
    return kernel.capture(name);
  };

  it('finds no difference between heaps that had the same life', async () => {
    const cells = ['let list = [1, 2, 3]', 'list.push({ deep: new Map() })'];
    assert.deepEqual(diffImages(await imageOf('a', ...cells), await imageOf('b', ...cells)), {
      pages: [],
      state: false,
    });
  });

  it('names the few pages in which heaps differ, whichever comes first', async () => {
    const [left, right] = [await imageOf('a', 'let x = 1.5'), await imageOf('b', 'let x = 2.5')];
    const { pages, state } = diffImages(left, right);
    assert.ok(pages.length > 0 && pages.length < 20, `${pages.length} pages`);
    assert.equal(state, false);
    assert.deepEqual(diffImages(right, left).pages, pages);
    assert.deepEqual(
      pages,
      [...pages].sort((one, other) => one - other),
    );
  });

  it('says when what the host keeps beside the heap differs', async () => {
    assert.equal(diffImages(await imageOf('a', 'let x = 1'), await imageOf('b', 'let y = 1')).state, true);
  });

  it('compares no heaps of two kernel versions, and nothing that is no image', async () => {
    const image = await imageOf('a', 'let x = 1');
    const other = await makeKernelHost({ threads: 1, limits: { outputBytes: 4096 } });
    try {
      await KernelSession.open(other, 'a');
      const foreign = await other.capture('a');
      assert.throws(() => diffImages(image, foreign), { code: 'BAD_REQUEST' });
    } finally {
      await other.close();
    }
    assert.throws(() => diffImages(image, { ...image, bytes: image.bytes.slice(0, 50) }), {
      code: 'CORRUPT',
    });
    assert.throws(() => diffImages({ ...image, bytes: new Uint8Array(0) }, image), { code: 'CORRUPT' });
  });
});
