/**
 * `localeCompare` without Intl: the order of the Unicode collation's root for what most text is made of. Letters
 * differ first by themselves, then by accents, then by case (small before capital); marks and digits come before.
 */
import {
  charCodeAt,
  expose,
  fromCharCode,
  IntrinsicTypeError,
  indexOf,
  slice,
  toLowerCase,
  uncurry,
} from './intrinsics.ts';

interface Options {
  numeric?: unknown;
  sensitivity?: unknown;
}

const normalize = uncurry(String.prototype.normalize as (this: string, form: string) => string);

/** ASCII as the root collation orders it; all else follows, by code. */
const ORDER = '\t\n\v\f\r _-,;:!?.\'"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz';

const isMark = (code: number): boolean => code >= 0x300 && code < 0x370;
const isDigit = (code: number): boolean => code >= 48 && code < 58;
const sign = (difference: number): number => (difference < 0 ? -1 : difference > 0 ? 1 : 0);

function weightOf(code: number): number {
  const at = code < 128 ? indexOf(ORDER, fromCharCode(code)) : -1;
  return at < 0 ? 128 + code : at;
}

/** A text taken apart: its letters in lower case, and per letter what else there is to compare. */
interface Parts {
  letters: string;
  accents: string;
  capitals: string;
}

function partsOf(text: string): Parts {
  const apart = normalize(text, 'NFD');
  let letters = '';
  let accents = '';
  let capitals = '';
  for (let at = 0; at < apart.length; at++) {
    if (isMark(charCodeAt(apart, at))) {
      accents += apart[at]!;
      continue;
    }
    const small = toLowerCase(apart[at]!);
    letters += small === 'ß' ? 'ss' : small;
    // Numbers may be written with zeros in front.
    if (isDigit(charCodeAt(small, 0))) continue;
    accents += small === 'ß' ? ' s ' : ' ';
    capitals += small === apart[at] ? '0' : '1';
  }
  return { letters, accents, capitals };
}

const compareCodes = (left: string, right: string): number => (left === right ? 0 : left < right ? -1 : 1);

function endOfNumber(text: string, from: number): number {
  let end = from;
  while (end < text.length && isDigit(charCodeAt(text, end))) end++;
  return end;
}

const withoutZeros = (digits: string): string => {
  let from = 0;
  while (from < digits.length - 1 && digits[from] === '0') from++;
  return slice(digits, from);
};

function compareLetters(left: string, right: string, numeric: boolean): number {
  let at = 0;
  let other = 0;
  while (at < left.length && other < right.length) {
    const code = charCodeAt(left, at);
    const otherCode = charCodeAt(right, other);
    if (numeric && isDigit(code) && isDigit(otherCode)) {
      const end = endOfNumber(left, at);
      const otherEnd = endOfNumber(right, other);
      const digits = withoutZeros(slice(left, at, end));
      const otherDigits = withoutZeros(slice(right, other, otherEnd));
      const order = sign(digits.length - otherDigits.length) || compareCodes(digits, otherDigits);
      if (order !== 0) return order;
      at = end;
      other = otherEnd;
      continue;
    }
    if (code !== otherCode) {
      const order = sign(weightOf(code) - weightOf(otherCode));
      if (order !== 0) return order;
    }
    at++;
    other++;
  }
  return sign(left.length - at - (right.length - other));
}

/** -1, 0 or 1. */
export function compareTexts(left: string, right: string, options: Options = {}): number {
  if (left === right) return 0;
  const a = partsOf(left);
  const b = partsOf(right);
  const order = compareLetters(a.letters, b.letters, !!options.numeric);
  if (order !== 0) return order;
  const { sensitivity } = options;
  if (sensitivity !== 'base' && sensitivity !== 'case') {
    const accents = compareCodes(a.accents, b.accents);
    if (accents !== 0) return accents;
  }
  return sensitivity === 'base' || sensitivity === 'accent' ? 0 : compareCodes(a.capitals, b.capitals);
}

export function installCollation(): void {
  expose(
    String.prototype,
    'localeCompare',
    function (this: unknown, that: unknown, ...given: unknown[]): number {
      if (this === null || this === undefined)
        throw new IntrinsicTypeError('String.prototype.localeCompare called on null or undefined');
      return compareTexts(`${this}`, `${that}`, (given[1] ?? undefined) as Options | undefined);
    },
  );
}
