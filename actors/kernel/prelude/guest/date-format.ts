/** Dates as `Intl` writes them in en-US and UTC, for `toLocaleString` and its kin. */
import { IntrinsicRangeError, padStart, slice, uncurry } from './intrinsics.ts';

export interface DateOptions {
  [name: string]: unknown;
}

const field = {
  year: uncurry(Date.prototype.getUTCFullYear),
  month: uncurry(Date.prototype.getUTCMonth),
  day: uncurry(Date.prototype.getUTCDate),
  weekday: uncurry(Date.prototype.getUTCDay),
  hour: uncurry(Date.prototype.getUTCHours),
  minute: uncurry(Date.prototype.getUTCMinutes),
  second: uncurry(Date.prototype.getUTCSeconds),
};

const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
/** What `dateStyle` and `timeStyle` stand for. */
const DATE_STYLES: Record<string, DateOptions> = {
  __proto__: null as never,
  full: { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' },
  long: { year: 'numeric', month: 'long', day: 'numeric' },
  medium: { year: 'numeric', month: 'short', day: 'numeric' },
  short: { year: '2-digit', month: 'numeric', day: 'numeric' },
};
const TIME_STYLES: Record<string, DateOptions> = {
  __proto__: null as never,
  full: { hour: 'numeric', minute: 'numeric', second: 'numeric', timeZoneName: 'long' },
  long: { hour: 'numeric', minute: 'numeric', second: 'numeric', timeZoneName: 'short' },
  medium: { hour: 'numeric', minute: 'numeric', second: 'numeric' },
  short: { hour: 'numeric', minute: 'numeric' },
};
const DATE_DEFAULT: DateOptions = { year: 'numeric', month: 'numeric', day: 'numeric' };
const TIME_DEFAULT: DateOptions = { hour: 'numeric', minute: 'numeric', second: 'numeric' };

const two = (value: number): string => padStart(`${value}`, 2, '0');
const numeric = (value: number, style: unknown): string =>
  style === '2-digit' ? two(value % 100) : `${value}`;
const named = (name: string, style: unknown): string =>
  style === 'long' ? name : slice(name, 0, style === 'narrow' ? 1 : 3);
const join = (one: string, by: string, other: string): string =>
  one === '' ? other : other === '' ? one : one + by + other;

function dateOf(date: Date, { weekday, year, month, day }: DateOptions): string {
  const inWords = month === 'long' || month === 'short' || month === 'narrow';
  const dayName = weekday === undefined ? '' : named(WEEKDAYS[field.weekday(date)]!, weekday);
  const yearText = year === undefined ? '' : numeric(field.year(date), year);
  const dayText = day === undefined ? '' : numeric(field.day(date), day);
  if (month === undefined) return join(join(yearText, ' ', dayText), ' ', dayName);
  if (!inWords) {
    const monthText = numeric(field.month(date) + 1, month);
    return join(dayName, ', ', join(join(monthText, '/', dayText), '/', yearText));
  }
  const monthText = join(named(MONTHS[field.month(date)]!, month), ' ', dayText);
  if (dayText === '') return join(join(monthText, ' ', yearText), ' ', dayName);
  return join(dayName, ', ', join(monthText, ', ', yearText));
}

function timeOf(date: Date, options: DateOptions): string {
  const { hour, minute, second, hour12, hourCycle, timeZoneName } = options;
  const whole = hour12 === undefined ? hourCycle === 'h23' || hourCycle === 'h24' : !hour12;
  let text = '';
  if (hour !== undefined) {
    const value = field.hour(date);
    // Without a cycle of its own, en-US counts midnight as 24.
    const shown = whole ? (value === 0 && hourCycle !== 'h23' ? 24 : value) : value % 12 || 12;
    text = whole || hour === '2-digit' ? two(shown) : `${shown}`;
  }
  if (minute !== undefined) {
    const value = field.minute(date);
    text = join(text, ':', hour === undefined && second === undefined ? `${value}` : two(value));
  }
  if (second !== undefined) {
    const value = field.second(date);
    text = join(text, ':', text === '' ? `${value}` : two(value));
  }
  if (hour !== undefined && !whole) text += field.hour(date) < 12 ? ' AM' : ' PM';
  if (timeZoneName === undefined) return text;
  return join(text, ' ', timeZoneName === 'long' ? 'Coordinated Universal Time' : 'UTC');
}

/** `needs`: which parts are written when the options ask for none. */
export function formatDate(date: Date, given: DateOptions, needs: 'date' | 'time' | 'both'): string {
  const { timeZone, dateStyle, timeStyle } = given;
  if (timeZone !== undefined && timeZone !== 'UTC' && timeZone !== 'GMT' && timeZone !== 'Etc/UTC') {
    throw new IntrinsicRangeError(`Time zones other than UTC are not available in a cell: ${timeZone}`);
  }
  if (dateStyle !== undefined || timeStyle !== undefined) {
    const day = dateStyle === undefined ? '' : dateOf(date, DATE_STYLES[`${dateStyle}`] ?? DATE_DEFAULT);
    const { hour12, hourCycle } = given;
    const style = TIME_STYLES[`${timeStyle}`] ?? TIME_DEFAULT;
    const time = timeStyle === undefined ? '' : timeOf(date, { ...style, hour12, hourCycle });
    return join(day, dateStyle === 'full' || dateStyle === 'long' ? ' at ' : ', ', time);
  }
  const { weekday, year, month, day, hour, minute, second } = given;
  const asksDate = weekday !== undefined || year !== undefined || month !== undefined || day !== undefined;
  const asksTime = hour !== undefined || minute !== undefined || second !== undefined;
  const asked = needs === 'date' ? asksDate : needs === 'time' ? asksTime : asksDate || asksTime;
  const { timeZoneName, hour12, hourCycle } = given;
  const cycle = { hour12, hourCycle, timeZoneName };
  const dates = asked || needs === 'time' ? given : { ...given, ...DATE_DEFAULT };
  const times = asked || needs === 'date' ? given : { ...TIME_DEFAULT, ...cycle };
  const shownDate = asksDate || dates !== given ? dateOf(date, dates) : '';
  const shownTime = asksTime || times !== given || timeZoneName !== undefined ? timeOf(date, times) : '';
  const plain = month === undefined && year === undefined && day === undefined && dates === given;
  return join(shownDate, plain ? ' ' : month === 'long' ? ' at ' : ', ', shownTime);
}
