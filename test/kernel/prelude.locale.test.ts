/** Text order and date texts without Intl, against what V8 with Intl gives. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { Guest } from '../kit/guest.ts';

let guest: Guest;
before(async () => {
  guest = await Guest.boot();
});

describe('localeCompare', () => {
  const words =
    'b a C A c Z z é e f E É ä a1 a10 a2 _x -x x 10 2 1 ab aB Ab AB résumé resume Resume ß ss sz apple Apple äpfel coop co-op CO-OP a.b $1 ~ ( @ # Ω я а 日'.split(
      ' ',
    );

  it('orders words as people do', () => {
    const expected = [...words, '', 'a b', ' x'].sort((one, other) => one.localeCompare(other, 'en'));
    const code = `${JSON.stringify([...words, '', 'a b', ' x'])}.sort((a, b) => a.localeCompare(b))`;
    assert.equal(guest.show(code), inspect(expected));
  });

  it('knows numeric order and sensitivity', () => {
    for (const [one, other, options] of [
      ['a10', 'a9', { numeric: true }],
      ['a007', 'a7', { numeric: true }],
      ['a10', 'a9', {}],
      ['a', 'A', { sensitivity: 'base' }],
      ['a', 'á', { sensitivity: 'base' }],
      ['a', 'á', { sensitivity: 'accent' }],
      ['a', 'A', { sensitivity: 'accent' }],
      ['a', 'A', { sensitivity: 'case' }],
      ['a', 'b', { sensitivity: 'base' }],
    ] as const) {
      const text = JSON.stringify(options);
      assert.equal(
        guest.show(`'${one}'.localeCompare('${other}', undefined, ${text})`),
        `${one.localeCompare(other, 'en', options as Intl.CollatorOptions)}`,
        `${one} ${other} ${text}`,
      );
    }
  });
});

describe('dates as text', () => {
  it('name their zone as V8 does', () => {
    assert.equal(
      guest.show('`${new Date(0)}`'),
      "'Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)'",
    );
    assert.equal(
      guest.show('new Date(0).toTimeString()'),
      "'00:00:00 GMT+0000 (Coordinated Universal Time)'",
    );
    assert.equal(guest.show('new Date(NaN).toString()'), "'Invalid Date'");
  });

  for (const [call, text] of [
    ['toLocaleDateString("en-US", { year: "numeric", month: "long", day: "numeric" })', 'January 5, 2024'],
    [
      'toLocaleDateString("en-US", { weekday: "long", year: "numeric", month: "long", day: "numeric" })',
      'Friday, January 5, 2024',
    ],
    ['toLocaleDateString("en-US", { weekday: "short", month: "short", day: "numeric" })', 'Fri, Jan 5'],
    ['toLocaleDateString("en-US", { year: "numeric", month: "2-digit", day: "2-digit" })', '01/05/2024'],
    ['toLocaleDateString("en-US", { month: "long", year: "numeric" })', 'January 2024'],
    ['toLocaleDateString(undefined, { weekday: "long" })', 'Friday'],
    ['toLocaleTimeString("en-US", { hour: "2-digit", minute: "2-digit" })', '03:04 PM'],
    ['toLocaleTimeString("en-US", { hour12: false })', '15:04:09'],
    ['toLocaleTimeString([], { timeStyle: "short", timeZone: "UTC" })', '3:04 PM'],
    [
      'toLocaleString("en-US", { dateStyle: "full", timeStyle: "short" })',
      'Friday, January 5, 2024 at 3:04 PM',
    ],
    ['toLocaleString("en-US", { dateStyle: "medium" })', 'Jan 5, 2024'],
    ['toLocaleString("en-US", { timeZoneName: "short" })', '1/5/2024, 3:04:09 PM UTC'],
    ['toLocaleDateString()', '1/5/2024'],
  ] as const) {
    it(`follow their options: ${call}`, () => {
      assert.equal(guest.show(`new Date(Date.UTC(2024, 0, 5, 15, 4, 9)).${call}`), `'${text}'`);
    });
  }

  it('refuse other time zones instead of showing the wrong time', () => {
    const { error } = guest.run('new Date().toLocaleString("en-US", { timeZone: "Asia/Tokyo" })');
    assert.match(
      `${error?.name}: ${error?.message}`,
      /^RangeError: Time zones other than UTC .* Asia\/Tokyo$/,
    );
  });
});
