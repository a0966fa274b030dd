/** TextEncoder, TextDecoder, atob, btoa. */
import {
  charCodeAt,
  defineGetter,
  expose,
  fromCharCode,
  getterOf,
  IntrinsicDOMException,
  IntrinsicRangeError,
  IntrinsicTypeError,
  IntrinsicUint8Array,
  slice,
  tag,
  toLowerCase,
} from './intrinsics.ts';
import { isArrayBuffer, isDataView, isSharedArrayBuffer, typedArrayName } from './kinds.ts';
import { showAs } from './shown.ts';

/** Writes UTF-8 into `bytes`; stops before a character that does not fit. */
function encodeInto(text: string, bytes: Uint8Array): { read: number; written: number } {
  let written = 0;
  let at = 0;
  while (at < text.length) {
    let code = charCodeAt(text, at);
    let units = 1;
    if (code >= 0xd800 && code < 0xe000) {
      const low = at + 1 < text.length ? charCodeAt(text, at + 1) : 0;
      if (code < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        units = 2;
      } else code = 0xfffd;
    }
    const size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (written + size > bytes.length) break;
    if (size === 1) bytes[written++] = code;
    else {
      bytes[written++] = (size === 2 ? 0xc0 : size === 3 ? 0xe0 : 0xf0) | (code >> (6 * (size - 1)));
      for (let rest = size - 2; rest >= 0; rest--) bytes[written++] = 0x80 | ((code >> (6 * rest)) & 63);
    }
    at += units;
  }
  return { read: at, written };
}

function sizeOf(text: string): number {
  let size = 0;
  for (let at = 0; at < text.length; at++) {
    const code = charCodeAt(text, at);
    if (code < 0x80) size++;
    else if (code < 0x800) size += 2;
    else if (code >= 0xd800 && code < 0xdc00 && at + 1 < text.length) {
      const low = charCodeAt(text, at + 1);
      if (low >= 0xdc00 && low < 0xe000) {
        size += 4;
        at++;
      } else size += 3;
    } else size += 3;
  }
  return size;
}

class TextEncoder {
  encode(input?: unknown): Uint8Array {
    const text = input === undefined ? '' : `${input}`;
    const bytes = new IntrinsicUint8Array(sizeOf(text));
    encodeInto(text, bytes);
    return bytes;
  }
  encodeInto(source: unknown, destination: Uint8Array): { read: number; written: number } {
    if (typedArrayName(destination) !== 'Uint8Array') {
      throw new IntrinsicTypeError('TextEncoder.encodeInto: the destination must be a Uint8Array');
    }
    return encodeInto(`${source}`, destination);
  }
}
defineGetter(TextEncoder.prototype, 'encoding', () => 'utf-8');

const typed = Object.getPrototypeOf(Uint8Array.prototype) as object;
const typedBuffer = getterOf<unknown, ArrayBuffer>(typed, 'buffer');
const typedOffset = getterOf<unknown, number>(typed, 'byteOffset');
const typedBytes = getterOf<unknown, number>(typed, 'byteLength');
const viewBuffer = getterOf<DataView, ArrayBuffer>(DataView.prototype, 'buffer');
const viewOffset = getterOf<DataView, number>(DataView.prototype, 'byteOffset');
const viewBytes = getterOf<DataView, number>(DataView.prototype, 'byteLength');

/** The bytes of a BufferSource. */
function bytesOf(input: unknown): Uint8Array {
  if (input === undefined) return new IntrinsicUint8Array(0);
  if (isArrayBuffer(input) || isSharedArrayBuffer(input))
    return new IntrinsicUint8Array(input as ArrayBuffer);
  if (typedArrayName(input) !== undefined) {
    return new IntrinsicUint8Array(typedBuffer(input), typedOffset(input), typedBytes(input));
  }
  if (isDataView(input)) {
    const view = input as DataView;
    return new IntrinsicUint8Array(viewBuffer(view), viewOffset(view), viewBytes(view));
  }
  throw new IntrinsicTypeError('TextDecoder.decode: the input must be an ArrayBuffer or a view of one');
}

const LABELS: Record<string, 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252'> = {
  __proto__: null as never,
  'utf-8': 'utf-8',
  utf8: 'utf-8',
  'unicode-1-1-utf-8': 'utf-8',
  unicode11utf8: 'utf-8',
  unicode20utf8: 'utf-8',
  'x-unicode20utf8': 'utf-8',
  'utf-16le': 'utf-16le',
  'utf-16': 'utf-16le',
  ucs2: 'utf-16le',
  'ucs-2': 'utf-16le',
  'iso-10646-ucs-2': 'utf-16le',
  unicode: 'utf-16le',
  csunicode: 'utf-16le',
  unicodefeff: 'utf-16le',
  'utf-16be': 'utf-16be',
  unicodefffe: 'utf-16be',
  latin1: 'windows-1252',
  'iso-8859-1': 'windows-1252',
  iso88591: 'windows-1252',
  'iso_8859-1': 'windows-1252',
  l1: 'windows-1252',
  ascii: 'windows-1252',
  'us-ascii': 'windows-1252',
  'windows-1252': 'windows-1252',
  cp1252: 'windows-1252',
  'x-cp1252': 'windows-1252',
  cp819: 'windows-1252',
  ibm819: 'windows-1252',
};
/** Code points of windows-1252 from 0x80 to 0x9f. */
const HIGH =
  '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178';

const REPLACEMENT = '\ufffd';

class TextDecoder {
  readonly #encoding: (typeof LABELS)[string];
  readonly #fatal: boolean;
  readonly #ignoreBOM: boolean;
  #bomSeen = false;
  #streaming = false;
  // UTF-8: the character under way. UTF-16: a pending byte and a pending high surrogate.
  #code = 0;
  #needed = 0;
  #seen = 0;
  #lower = 0x80;
  #upper = 0xbf;
  #byte = -1;
  #high = -1;

  constructor(label: unknown = 'utf-8', options: { fatal?: unknown; ignoreBOM?: unknown } = {}) {
    const encoding = LABELS[toLowerCase(trimmed(`${label}`))];
    if (encoding === undefined) throw new IntrinsicRangeError(`The "${label}" encoding is not supported`);
    this.#encoding = encoding;
    this.#fatal = !!options?.fatal;
    this.#ignoreBOM = !!options?.ignoreBOM;
  }
  get encoding(): string {
    return this.#encoding!;
  }
  get fatal(): boolean {
    return this.#fatal;
  }
  get ignoreBOM(): boolean {
    return this.#ignoreBOM;
  }

  decode(input?: unknown, options: { stream?: unknown } = {}): string {
    const bytes = bytesOf(input);
    if (!this.#streaming) this.#reset();
    this.#streaming = !!options?.stream;
    try {
      let text =
        this.#encoding === 'utf-8'
          ? this.#utf8(bytes)
          : this.#encoding === 'windows-1252'
            ? latin(bytes)
            : this.#utf16(bytes);
      if (!this.#streaming) text += this.#finish();
      return this.#withoutBom(text);
    } catch (thrown) {
      this.#streaming = false;
      throw thrown;
    }
  }

  #reset(): void {
    this.#bomSeen = false;
    this.#needed = 0;
    this.#byte = -1;
    this.#high = -1;
  }

  #withoutBom(text: string): string {
    if (text === '' || this.#bomSeen) return text;
    this.#bomSeen = true;
    const marked = !this.#ignoreBOM && this.#encoding !== 'windows-1252' && charCodeAt(text, 0) === 0xfeff;
    return marked ? slice(text, 1) : text;
  }

  #malformed(): string {
    if (this.#fatal) {
      const error = new IntrinsicTypeError(`The encoded data was not valid for encoding ${this.#encoding}`);
      (error as { code?: string }).code = 'ERR_ENCODING_INVALID_ENCODED_DATA';
      throw error;
    }
    return REPLACEMENT;
  }

  #finish(): string {
    const open = this.#needed !== 0 || this.#byte >= 0 || this.#high >= 0;
    this.#needed = 0;
    this.#byte = -1;
    this.#high = -1;
    return open ? this.#malformed() : '';
  }

  #utf8(bytes: Uint8Array): string {
    let text = '';
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (this.#needed === 0) {
        if (byte < 0x80) text += fromCharCode(byte);
        else if (byte >= 0xc2 && byte <= 0xf4) this.#startCharacter(byte);
        else text += this.#malformed();
        continue;
      }
      if (byte < this.#lower || byte > this.#upper) {
        this.#needed = 0;
        this.#lower = 0x80;
        this.#upper = 0xbf;
        text += this.#malformed();
        at--;
        continue;
      }
      this.#lower = 0x80;
      this.#upper = 0xbf;
      this.#code = (this.#code << 6) | (byte & 63);
      if (++this.#seen < this.#needed) continue;
      this.#needed = 0;
      const code = this.#code;
      text +=
        code < 0x10000
          ? fromCharCode(code)
          : fromCharCode(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 1023));
    }
    return text;
  }

  #startCharacter(byte: number): void {
    this.#needed = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    this.#seen = 0;
    this.#code = byte & (0x3f >> this.#needed);
    this.#lower = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80;
    this.#upper = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf;
  }

  #utf16(bytes: Uint8Array): string {
    let text = '';
    for (let at = 0; at < bytes.length; at++) {
      if (this.#byte < 0) {
        this.#byte = bytes[at]!;
        continue;
      }
      const unit =
        this.#encoding === 'utf-16le' ? this.#byte | (bytes[at]! << 8) : (this.#byte << 8) | bytes[at]!;
      this.#byte = -1;
      const isLow = unit >= 0xdc00 && unit < 0xe000;
      if (this.#high >= 0) {
        const high = this.#high;
        this.#high = -1;
        if (isLow) {
          text += fromCharCode(high, unit);
          continue;
        }
        text += this.#malformed();
      }
      if (isLow) text += this.#malformed();
      else if (unit >= 0xd800 && unit < 0xdc00) this.#high = unit;
      else text += fromCharCode(unit);
    }
    return text;
  }
}

function latin(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    text += byte >= 0x80 && byte < 0xa0 ? HIGH[byte - 0x80]! : fromCharCode(byte);
  }
  return text;
}

const isBlank = (code: number): boolean => code === 32 || (code >= 9 && code <= 13 && code !== 11);

function trimmed(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isBlank(charCodeAt(text, from))) from++;
  while (to > from && isBlank(charCodeAt(text, to - 1))) to--;
  return slice(text, from, to);
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function btoa(input: unknown): string {
  const text = `${input}`;
  let out = '';
  for (let at = 0; at < text.length; at += 3) {
    let bits = 0;
    for (let next = at; next < at + 3; next++) {
      const code = next < text.length ? charCodeAt(text, next) : 0;
      if (code > 255) throw new IntrinsicDOMException('Invalid character', 'InvalidCharacterError');
      bits = (bits << 8) | code;
    }
    const left = text.length - at;
    out += ALPHABET[bits >> 18]! + ALPHABET[(bits >> 12) & 63]!;
    out += left > 1 ? ALPHABET[(bits >> 6) & 63]! : '=';
    out += left > 2 ? ALPHABET[bits & 63]! : '=';
  }
  return out;
}

function digitOf(code: number): number {
  if (code >= 65 && code <= 90) return code - 65;
  if (code >= 97 && code <= 122) return code - 71;
  if (code >= 48 && code <= 57) return code + 4;
  return code === 43 ? 62 : code === 47 ? 63 : -1;
}

function atob(input: unknown): string {
  const given = `${input}`;
  let text = '';
  for (let at = 0; at < given.length; at++) if (!isBlank(charCodeAt(given, at))) text += given[at]!;
  if (text.length % 4 === 0) {
    if (text[text.length - 1] === '=') text = slice(text, 0, text.length - 1);
    if (text.length % 4 === 3 && text[text.length - 1] === '=') text = slice(text, 0, text.length - 1);
  }
  const invalid = () =>
    new IntrinsicDOMException('The string to be decoded is not correctly encoded.', 'InvalidCharacterError');
  if (text.length % 4 === 1) throw invalid();
  let out = '';
  let bits = 0;
  let held = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = digitOf(charCodeAt(text, at));
    if (digit < 0) throw invalid();
    bits = ((bits << 6) | digit) & 0xffffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out += fromCharCode((bits >> held) & 255);
  }
  return out;
}

// At load, not in an install function: the URL library makes an encoder while it loads.
tag(TextEncoder.prototype, 'TextEncoder');
tag(TextDecoder.prototype, 'TextDecoder');
showAs(TextEncoder.prototype, ['encoding']);
showAs(TextDecoder.prototype, ['encoding', 'fatal', 'ignoreBOM']);
expose(globalThis, 'TextEncoder', TextEncoder);
expose(globalThis, 'TextDecoder', TextDecoder);
expose(globalThis, 'atob', atob);
expose(globalThis, 'btoa', btoa);
