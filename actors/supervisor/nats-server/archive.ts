/** Takes one file out of a release archive (.tar.gz or .zip), in memory. Pure. */
import { gunzipSync, inflateRawSync } from 'node:zlib';
import { RepriseError } from '../../../bus/errors.ts';

const TAR_BLOCK = 512;

/**
 * Content of the regular file called `name` in whatever folder of the archive.
 * @throws RepriseError CORRUPT when the archive is damaged or has no such file.
 */
export function extractFile(archive: Uint8Array, kind: 'tar.gz' | 'zip', name: string): Uint8Array {
  let content: Uint8Array | null;
  try {
    content = kind === 'zip' ? fromZip(Buffer.from(archive), name) : fromTar(gunzipSync(archive), name);
  } catch (cause) {
    throw new RepriseError('CORRUPT', `the ${kind} archive is damaged`, { cause });
  }
  if (!content) throw new RepriseError('CORRUPT', `the archive contains no file ${name}`);
  return content;
}

function isNamed(path: string, name: string): boolean {
  return path === name || path.endsWith(`/${name}`);
}

function fromTar(tar: Buffer, name: string): Uint8Array | null {
  const text = (from: number, length: number) =>
    tar.toString('utf8', from, from + length).replace(/\0[\s\S]*$/, '');
  for (let at = 0; at + TAR_BLOCK <= tar.length; ) {
    const path = text(at, 100);
    if (path === '') break;
    const size = Number.parseInt(text(at + 124, 12).trim() || '0', 8);
    const type = text(at + 156, 1);
    const start = at + TAR_BLOCK;
    if ((type === '0' || type === '') && isNamed(path, name)) {
      if (start + size > tar.length) throw new RangeError('truncated');
      return tar.subarray(start, start + size);
    }
    at = start + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  }
  return null;
}

const ZIP_END = 0x06054b50;
const ZIP_ENTRY = 0x02014b50;

/** Reads the central directory: local headers may lack sizes. */
function fromZip(zip: Buffer, name: string): Uint8Array | null {
  let end = zip.length - 22;
  while (zip.readUInt32LE(end) !== ZIP_END) end -= 1;
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left -= 1) {
    if (zip.readUInt32LE(at) !== ZIP_ENTRY) throw new RangeError('bad central directory');
    const [method, packed] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 20)];
    const nameLength = zip.readUInt16LE(at + 28);
    const path = zip.toString('utf8', at + 46, at + 46 + nameLength);
    if (isNamed(path, name)) {
      const local = zip.readUInt32LE(at + 42);
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const bytes = zip.subarray(start, start + packed);
      if (bytes.length < packed) throw new RangeError('truncated');
      return method === 0 ? bytes : inflateRawSync(bytes);
    }
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return null;
}
