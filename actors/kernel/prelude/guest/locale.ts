/** `toLocaleString` without Intl: numbers and dates as en-US writes them, in UTC. */
import { type DateOptions, formatDate } from './date-format.ts';
import {
  abs,
  expose,
  INFINITE,
  IntrinsicRangeError,
  isNotANumber,
  max,
  slice,
  toFixed,
  uncurry,
} from './intrinsics.ts';

interface NumberOptions {
  minimumFractionDigits?: number;
  maximumFractionDigits?: number;
  style?: string;
  currency?: string;
  useGrouping?: boolean;
}

const SYMBOLS: Record<string, string> = { __proto__: null, USD: '$', EUR: '€', GBP: '£', JPY: '¥' } as never;

function grouped(digits: string): string {
  let text = '';
  for (let at = 0; at < digits.length; at++) {
    text += (at > 0 && (digits.length - at) % 3 === 0 ? ',' : '') + digits[at]!;
  }
  return text;
}

function formatNumber(value: number, options: NumberOptions): string {
  if (isNotANumber(value)) return 'NaN';
  const money = options.style === 'currency' ? `${options.currency}` : undefined;
  const percent = options.style === 'percent';
  const standard = money === undefined ? (percent ? 0 : 3) : money === 'JPY' ? 0 : 2;
  const least = options.minimumFractionDigits ?? (money === undefined ? 0 : standard);
  const most = options.maximumFractionDigits ?? max(least, standard);
  if (!(least >= 0 && least <= most && most <= 100)) {
    throw new IntrinsicRangeError('maximumFractionDigits value is out of range.');
  }
  const scaled = abs(percent ? value * 100 : value);
  const sign = value < 0 || (value === 0 && 1 / value < 0) ? '-' : '';
  const ends: [string, string] = [
    money === undefined ? '' : (SYMBOLS[money] ?? `${money}\u00a0`),
    percent ? '%' : '',
  ];
  if (scaled === INFINITE) return `${sign}${ends[0]}∞${ends[1]}`;
  // toFixed switches to exponents at 1e21; from there on all digits are integral.
  const fixed = scaled < 1e21 ? toFixed(scaled, most) : `${BigInt_(scaled)}`;
  let dot = fixed.length;
  for (let at = 0; at < fixed.length; at++) if (fixed[at] === '.') dot = at;
  let end = fixed.length;
  while (end > dot + 1 + least && fixed[end - 1] === '0') end--;
  if (end === dot + 1) end = dot;
  const whole = slice(fixed, 0, dot);
  const shown = options.useGrouping === false ? whole : grouped(whole);
  return `${sign}${ends[0]}${shown}${slice(fixed, dot, end)}${ends[1]}`;
}
const BigInt_ = BigInt;

const numberValue = uncurry(Number.prototype.valueOf);
const bigintValue = uncurry(BigInt.prototype.valueOf);
const timeOf = uncurry(Date.prototype.getTime);
/** A Date method that writes the parts it is about, when the options ask for none. */
const shown = (needs: 'date' | 'time' | 'both') =>
  function (this: Date, _locale?: unknown, options?: DateOptions): string {
    return isNotANumber(timeOf(this)) ? 'Invalid Date' : formatDate(this, options ?? {}, needs);
  };

const dateText = uncurry(Date.prototype.toString);
const timeText = uncurry(Date.prototype.toTimeString);
/** V8 adds the zone's name. */
const zoned = (text: string): string =>
  text === 'Invalid Date' ? text : `${text} (Coordinated Universal Time)`;

export function installLocale(): void {
  method(Date.prototype, 'toString', function (this: Date) {
    return zoned(dateText(this));
  });
  method(Date.prototype, 'toTimeString', function (this: Date) {
    return zoned(timeText(this));
  });
  method(
    Number.prototype,
    'toLocaleString',
    function (this: number, _locale?: unknown, options?: NumberOptions) {
      return formatNumber(numberValue(this), options ?? {});
    },
  );
  method(BigInt.prototype, 'toLocaleString', function (this: bigint) {
    const value = bigintValue(this);
    return value < 0n ? `-${grouped(`${-value}`)}` : grouped(`${value}`);
  });
  method(Date.prototype, 'toLocaleString', shown('both'));
  method(Date.prototype, 'toLocaleDateString', shown('date'));
  method(Date.prototype, 'toLocaleTimeString', shown('time'));
}

function method(holder: object, name: string, body: (...args: never[]) => unknown): void {
  expose(holder, name, body);
}
