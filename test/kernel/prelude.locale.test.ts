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
});
