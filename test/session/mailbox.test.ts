/** What enters a session next: nobody starves, and nothing overtakes what was due before it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Mail, Mailbox } from '../../actors/session/mailbox.ts';
import { EffectTable } from '../../actors/timeline/effect-table.ts';
import { applyEvents, emptyFold } from '../../actors/timeline/fold.ts';
import { input, session } from './samples.ts';

const waiter = { resolve: () => {}, reject: () => {} };
const command = (commandId: string, atMs: number) =>
  ({
    kind: 'command',
    atMs,
    request: { op: 'execute', session: 's', command: '1', commandId },
    waiter,
  }) as const;
const answer = (effect: number, atMs: number) => ({ kind: 'answer', atMs, effect, answer: {} }) as const;
const close = (atMs: number) => ({ kind: 'close', atMs, reason: 'r', waiter }) as const;

const open = (...effects: number[]) =>
  EffectTable.from(effects.map((effect) => ({ effect, kind: 'timer', seq: effect, payload: null })));
const running = applyEvents(emptyFold('s'), [session, input(1, 'x')]);
const idle = { ...running, running: null };
const nameOf = (mail: Mail | null) =>
  mail?.kind === 'command' ? mail.request.commandId : mail?.kind === 'answer' ? mail.effect : mail?.kind;

describe('the mailbox', () => {
  it('lets commands wait while a cell runs, and answers only to open effects in', () => {
    const mailbox = new Mailbox(() => 0);
    mailbox.put(command('a', 0));
    assert.equal(mailbox.peek(running), null, 'a cell is running');
    mailbox.put(answer(1, 0));
    assert.equal(mailbox.peek(running), null, 'nobody waits for effect 1');
    assert.equal(mailbox.take(idle)?.kind, 'command');
    assert.equal(mailbox.take(idle), null);
  });

  it('puts giving up first, then what was due before the command, then the command, then what is due later', () => {
    const mailbox = new Mailbox(() => 10);
    const waiting = { ...idle, effects: open(1, 2) };
    mailbox.put(command('a', 5));
    mailbox.put(answer(1, 5));
    mailbox.put(answer(2, 6));
    mailbox.put({ kind: 'abandon', reason: 'user', commandId: 'c', waiter });
    assert.deepEqual(
      [1, 2, 3, 4].map(() => nameOf(mailbox.take(waiting))),
      ['abandon', 1, 'a', 2],
    );
  });

  it('gives the answers to a cell that runs before any command, however old', () => {
    const mailbox = new Mailbox(() => 10);
    mailbox.put(command('a', 1));
    mailbox.put(answer(1, 9));
    assert.equal(nameOf(mailbox.take({ ...running, effects: open(1) })), 1);
  });

  it('lets a command go when what was due before it takes too long', () => {
    let now = 0;
    const mailbox = new Mailbox(() => now);
    const effects = Array.from({ length: 100 }, (_, index) => index + 1);
    for (const effect of effects) mailbox.put(answer(effect, 0));
    mailbox.put(command('a', 1));
    now = 60_000; // as long as the session took to be restored, say: that is not the timers' fault
    let before = 0;
    for (; nameOf(mailbox.take({ ...idle, effects: open(...effects) })) !== 'a'; before++) now += 500;
    assert.equal(before, 4);
  });

  it('lets a close and what was sent before it overtake all that timers bring', () => {
    const mailbox = new Mailbox(() => 10);
    mailbox.put(answer(1, 0));
    mailbox.put(command('a', 5));
    mailbox.put(close(6));
    const waiting = { ...idle, effects: open(1) };
    assert.deepEqual(
      [1, 2].map(() => nameOf(mailbox.take(waiting))),
      ['a', 'close'],
    );
  });

  it('lets no answer into a session that is paused, and keeps it for later', () => {
    const mailbox = new Mailbox(() => 0);
    const paused = { ...idle, effects: open(1), paused: true };
    mailbox.put(answer(1, 0));
    assert.equal(mailbox.take(paused), null);
    mailbox.put(command('a', 0));
    assert.equal(mailbox.take(paused)?.kind, 'command');
    assert.equal(mailbox.take({ ...paused, paused: false })?.kind, 'answer');
  });

  it('keeps the order of commands, also of one that is put back', () => {
    const mailbox = new Mailbox(() => 0);
    mailbox.put(command('a', 0));
    mailbox.put(command('b', 0));
    mailbox.putBack(mailbox.take(idle)!);
    assert.deepEqual(
      [1, 2].map(() => nameOf(mailbox.take(idle))),
      ['a', 'b'],
    );
  });

  it('rejects everyone who waits when it fails', () => {
    const told: unknown[] = [];
    const mailbox = new Mailbox(() => 0);
    mailbox.put({ ...command('a', 0), waiter: { resolve: () => {}, reject: (error) => told.push(error) } });
    mailbox.fail('gone');
    assert.deepEqual(told, ['gone']);
  });

  it('starves nobody, however much each turn brings', () => {
    const timer = fc.record({
      kind: fc.constant('timer' as const),
      children: fc.integer({ min: 0, max: 3 }),
    });
    const cell = fc.record({ kind: fc.constant('command' as const) });
    fc.assert(
      fc.property(fc.array(fc.oneof(timer, cell), { minLength: 1, maxLength: 20 }), (arrivals) => {
        let now = 0;
        let effects = 0;
        const all = { ...idle, effects: open(...Array.from({ length: 2_000 }, (_, index) => index)) };
        const mailbox = new Mailbox(() => now);
        const children = new Map<number, number>();
        const asked = new Set<string>();
        for (const arrival of arrivals) {
          now++;
          if (arrival.kind === 'command') {
            asked.add(`c${now}`);
            mailbox.put(command(`c${now}`, now));
          } else {
            children.set(effects, arrival.children);
            mailbox.put(answer(effects++, now));
          }
        }
        // Every timer brings as many as it did before, for ever; each turn takes a moment.
        const bound = 2 * arrivals.length;
        for (let turn = 0; asked.size > 0; turn++) {
          assert.ok(turn <= bound, 'a command starves');
          const mail = mailbox.take(all)!;
          now++;
          if (mail.kind === 'command') asked.delete(mail.request.commandId);
          if (mail.kind !== 'answer') continue;
          const many = children.get(mail.effect) ?? 0;
          for (let child = 0; child < many; child++) {
            children.set(effects, many);
            mailbox.put(answer(effects++, now + 1));
          }
        }
      }),
    );
  });
});
