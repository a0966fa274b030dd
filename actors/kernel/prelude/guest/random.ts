/** Deterministic randomness: everything random in a session flows from its seed. */
import {
  charCodeAt,
  define,
  expose,
  getterOf,
  IntrinsicDOMException,
  IntrinsicTypeError,
  IntrinsicUint8Array,
  numberToString,
  padStart,
  tag,
} from './intrinsics.ts';

/** sfc32: 128 bits of state, passes PractRand. */
let a = 0;
let b = 0;
let c = 0;
let counter = 1;

function next(): number {
  const sum = (((a + b) | 0) + counter) | 0;
  counter = (counter + 1) | 0;
  a = b ^ (b >>> 9);
  b = (c + (c << 3)) | 0;
  c = (c << 21) | (c >>> 11);
  c = (c + sum) | 0;
  return sum >>> 0;
}

/** Seeds from any text: four mixed 32-bit hashes of it (cyrb128), then warmed up. */
export function seed(text: string): void {
  let [h1, h2, h3, h4] = [1779033703, 3144134277, 1013904242, 2773480762];
  for (let at = 0; at < text.length; at++) {
    const k = charCodeAt(text, at);
    h1 = h2 ^ imul(h1 ^ k, 597399067);
    h2 = h3 ^ imul(h2 ^ k, 2869860233);
    h3 = h4 ^ imul(h3 ^ k, 951274213);
    h4 = h1 ^ imul(h4 ^ k, 2716044179);
  }
  a = imul(h3 ^ (h1 >>> 18), 597399067);
  b = imul(h4 ^ (h2 >>> 22), 2869860233);
  c = imul(h1 ^ (h3 >>> 17), 951274213);
  counter = imul(h2 ^ (h4 >>> 19), 2716044179) | 1;
  for (let round = 0; round < 16; round++) next();
}
const { imul } = Math;

const random = (): number => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;

const typedPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object;
const typedName = getterOf<unknown, string | undefined>(typedPrototype, Symbol.toStringTag);
const typedBuffer = getterOf<unknown, ArrayBuffer>(typedPrototype, 'buffer');
const typedOffset = getterOf<unknown, number>(typedPrototype, 'byteOffset');
const typedBytes = getterOf<unknown, number>(typedPrototype, 'byteLength');

function fill<T>(array: T): T {
  const name = typeof array === 'object' && array !== null ? typedName(array) : undefined;
  if (name === undefined || name === 'Float32Array' || name === 'Float64Array' || name === 'Float16Array') {
    throw new IntrinsicTypeError('crypto.getRandomValues: the argument must be an integer typed array');
  }
  const sizeBytes = typedBytes(array);
  if (sizeBytes > 65536) {
    throw new IntrinsicDOMException(
      `The requested length exceeds 65,536 bytes: ${sizeBytes}`,
      'QuotaExceededError',
    );
  }
  const bytes = new IntrinsicUint8Array(typedBuffer(array), typedOffset(array), sizeBytes);
  for (let at = 0; at < sizeBytes; at++) bytes[at] = next() >>> 24;
  return array;
}

function uuid(): string {
  let text = '';
  for (let at = 0; at < 16; at++) {
    let byte = next() >>> 24;
    if (at === 6) byte = (byte & 15) | 64;
    if (at === 8) byte = (byte & 63) | 128;
    if (at === 4 || at === 6 || at === 8 || at === 10) text += '-';
    text += padStart(numberToString(byte, 16), 2, '0');
  }
  return text;
}

export function installRandom(): void {
  seed('');
  expose(Math, 'random', random);
  const crypto = {};
  expose(crypto, 'getRandomValues', fill);
  expose(crypto, 'randomUUID', uuid);
  tag(crypto, 'Crypto');
  define(globalThis, 'crypto', crypto);
}
