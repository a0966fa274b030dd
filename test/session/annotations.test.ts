/** Annotations: said of a session's moments while it lives, and nothing of it ever reaches the guest. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { noteEvent } from '../../actors/session/noting.ts';
import { applyEvent, applyEvents, emptyFold } from '../../actors/timeline/fold.ts';
import { decodeFold, encodeFold } from '../../actors/timeline/fold-codec.ts';
import type { SessionFold } from '../../actors/timeline/fold-shape.ts';
import { decode, encode } from '../../bus/codec.ts';
import { RepriseError } from '../../bus/errors.ts';
import { ANNOTATION_BYTES_MAX, ANNOTATIONS_BYTES_MAX, ANNOTATIONS_MAX } from '../../bus/limits.ts';
import type { AnnotateRequest } from '../../bus/operations/annotations.ts';
import type { SessionEvent } from '../../bus/types.ts';
import { SessionWorld } from './session-world.ts';

let ids = 0;
const asking = (wish: Partial<AnnotateRequest>): AnnotateRequest => ({
  op: 'annotate',
  session: 's',
  commandId: `note-${++ids}`,
  ...wish,
});
const annotate = (world: SessionWorld, wish: Partial<AnnotateRequest>) => {
  const reply = world.session.annotate(asking(wish));
  reply.catch(() => {});
  return reply;
};
const typesOf = async (world: SessionWorld) => (await world.events()).map(({ type }) => type);

describe('a session that is annotated', () => {
  it('while a cell computes has the annotation behind the commit of what came of it', async () => {
    const world = new SessionWorld();
    await world.run('a', [['inc']]);
    const cell = world.submit('b', [['compute', 500], ['inc']]);
    await world.clock.advance(100);
    let isTold = false;
    const noted = annotate(world, { label: 'busy' }).then((reply) => {
      isTold = true;
      return reply;
    });
    await world.clock.advance(100);
    assert.equal(isTold, false);
    assert.equal((await world.settled(cell)).output, '2');
    const { seq, annotation } = await world.settled(noted);
    assert.equal(annotation.checkpointSeq, seq - 1, 'the newest event is what it is about');
    assert.deepEqual((await typesOf(world)).slice(-3), ['input', 'output', 'annotation']);
  });

  it('while a cell awaits has it at once, and the cell goes on, whoever owns it next', async () => {
    const world = new SessionWorld();
    const cell = world.submit('a', [['sleep', 60_000], ['inc']]);
    await world.clock.advance(100);
    await world.settled(annotate(world, { label: 'waiting', tags: ['x'] }), 100);
    assert.equal(world.session.state, 'awaitingEffects');
    assert.equal((await typesOf(world)).at(-1), 'annotation');
    world.session.retire();
    await assert.rejects(world.settled(cell), { code: 'FENCED' });
    world.activate();
    await world.settled(world.session.restored());
    assert.deepEqual(
      world.session.fold.annotations.map(({ label, tags }) => [label, tags]),
      [['waiting', ['x']]],
    );
    const again = world.submit('a', [['sleep', 60_000], ['inc']]);
    await world.clock.advance(10);
    world.started.at(-1)!.answer({ value: null });
    assert.equal((await world.settled(again)).error, null);
    world.activate();
    assert.equal((await world.run('b', [['inc']])).error, null);
  });

  it('twice by one command is annotated once, and answers the same, whoever owns it', async () => {
    const world = new SessionWorld();
    await world.run('a', [['inc']]);
    const wish = { label: 'one', commandId: 'twice' };
    const first = await world.settled(annotate(world, wish));
    const again = await world.settled(annotate(world, wish));
    world.session.retire();
    world.activate();
    await world.run('b', [['inc']]);
    const later = await world.settled(annotate(world, wish));
    assert.deepEqual(
      [first.repeated, again, later],
      [false, { ...first, repeated: true }, { ...first, repeated: true }],
    );
    assert.equal((await typesOf(world)).filter((type) => type === 'annotation').length, 1);
    await assert.rejects(world.run('twice', [['inc']]), { code: 'BAD_REQUEST' });
    await assert.rejects(world.settled(annotate(world, { label: 'x', commandId: 'a' })), {
      code: 'BAD_REQUEST',
    });
  });

  it('goes in while commands wait, one after the other, and in their commits', async () => {
    const world = new SessionWorld();
    await assert.rejects(world.settled(annotate(world, { label: 'x' })), { code: 'NOT_FOUND' });
    await world.run('first', [['print', 'it exists']]);
    const replies = Array.from({ length: 5 }, (_, index) =>
      world.submit(`c${index}`, [['compute', 10], ['inc']]),
    );
    const notes = Array.from({ length: 5 }, (_, index) => annotate(world, { label: `n${index}`, at: 0 }));
    await world.settled(Promise.all([...replies, ...notes]));
    assert.equal((await replies[4])!.output, '5');
    assert.equal(world.session.fold.annotations.length, 5);
  });

  it('when it is closed refuses, and says where an annotation can be made', async () => {
    const world = new SessionWorld();
    await world.run('a', [['inc']]);
    await world.settled(annotate(world, { label: 'before', at: 1 }));
    await world.settled(world.session.closeSession('done'));
    await assert.rejects(
      world.settled(annotate(world, { label: 'after' })),
      (error: RepriseError) => error.code === 'CLOSED' && /reprise fork/.test(error.hint!),
    );
    assert.equal((await typesOf(world)).at(-1), 'closed');
  });

  it('is as it was when storage refuses the annotation: the cell that awaits has its answer', async () => {
    const world = new SessionWorld();
    const cell = world.submit('a', [['sleep', 60_000]]);
    await world.clock.advance(100);
    world.onAppend = (commit) => {
      if (commit.events[0]!.type === 'annotation') throw new RepriseError('STORAGE_FULL', 'full');
    };
    await assert.rejects(world.settled(annotate(world, { label: 'x' }), 1_000), { code: 'STORAGE_FULL' });
    await world.clock.advance(100);
    world.started.at(-1)!.answer({ value: null });
    assert.equal((await world.settled(cell, 1_000)).error, null);
    assert.equal(world.ended, null);
  });

  it('when another owner has it is told to ask that one', async () => {
    const world = new SessionWorld();
    await world.run('a', [['inc']]);
    world.onAppend = () => {
      throw new RepriseError('FENCED', 'somebody else');
    };
    await assert.rejects(world.settled(annotate(world, { label: 'x' })), { code: 'FENCED' });
    assert.equal(world.ended?.why, 'fenced');
  });
});

const created = '2026-01-01T00:00:00.000Z';
const later = '2026-02-01T00:00:00.000Z';

/** A session of ten events. */
function bornFold(): SessionFold {
  const events: SessionEvent[] = [{ type: 'session', version: 1, id: 'i', created, seq: 0 }];
  for (let seq = 1; seq < 10; seq += 2) {
    events.push({ type: 'input', seq, code: '1', timestamp: created });
    events.push({ type: 'output', seq: seq + 1, value: '1', timestamp: created });
  }
  return applyEvents(emptyFold('s'), events);
}

const after = (fold: SessionFold, wish: Partial<AnnotateRequest>): SessionFold =>
  applyEvent(fold, noteEvent(asking(wish), fold, later));

describe('an annotation in the fold', () => {
  it('moves neither the time of the session nor where it stands', () => {
    const born = bornFold();
    const fold = after(after(born, { label: 'a' }), { label: 'b' });
    assert.deepEqual([fold.seq, fold.standsAt, fold.timeMs], [born.seq + 2, born.seq, born.timeMs]);
    assert.deepEqual(
      fold.annotations.map(({ checkpointSeq }) => checkpointSeq),
      [born.seq, born.seq],
    );
  });

  it('is changed by its label, keeps what is not said anew and when it was made, and is removed', () => {
    let fold = after(bornFold(), { at: 3, label: 'a', description: 'why', tags: ['x', 'y', 'x'] });
    fold = after(fold, { at: 3, label: 'a', tags: ['z'] });
    assert.deepEqual(fold.annotations, [
      { checkpointSeq: 3, label: 'a', description: 'why', tags: ['z'], created: later },
    ]);
    fold = after(fold, { label: 'a', renamed: 'b', description: '' });
    assert.deepEqual(fold.annotations, [
      { checkpointSeq: 3, label: 'b', description: '', tags: ['z'], created: later },
    ]);
    fold = after(fold, { at: 5, label: 'b' });
    assert.throws(() => after(fold, { label: 'b', remove: true }), { code: 'BAD_REQUEST' });
    assert.throws(() => after(fold, { at: 4, remove: true }), { code: 'NOT_FOUND' });
    assert.throws(() => after(fold, { remove: true }), { code: 'BAD_REQUEST' });
    fold = after(fold, { at: 3, remove: true });
    assert.deepEqual(
      fold.annotations.map(({ checkpointSeq }) => checkpointSeq),
      [5],
    );
    fold = after(fold, { at: 5, label: 'c' });
    assert.throws(() => after(fold, { at: 5, label: 'c', renamed: 'b' }), { code: 'BAD_REQUEST' });
  });

  it('of a snapshot is another than one of the same words', () => {
    const fold = after(after(bornFold(), { at: 2, label: 'snapshot', snapshot: true }), {
      at: 2,
      label: 'snapshot',
    });
    assert.equal(fold.annotations.length, 2);
    assert.deepEqual(after(fold, { at: 2, remove: true }).annotations, [fold.annotations[0]]);
    assert.deepEqual(after(fold, { at: 2, remove: true, snapshot: true }).annotations, [fold.annotations[1]]);
  });

  it('has a label, names an event that is there, and is bounded, one and all together', () => {
    let fold = bornFold();
    assert.throws(() => after(fold, {}), { code: 'BAD_REQUEST' });
    assert.throws(() => after(fold, { label: ' ' }), { code: 'BAD_REQUEST' });
    assert.throws(() => after(fold, { label: 'x', at: 11 }), { code: 'NOT_FOUND' });
    assert.throws(() => after(fold, { label: 'x'.repeat(201) }), { code: 'TOO_LARGE' });
    assert.throws(() => after(fold, { label: 'x', tags: [''] }), { code: 'BAD_REQUEST' });
    assert.throws(() => after(fold, { label: 'x', tags: Array(17).fill('t') }), { code: 'TOO_LARGE' });
    const long = 'é'.repeat(ANNOTATION_BYTES_MAX / 2);
    assert.throws(() => after(fold, { label: 'x', description: long }), { code: 'TOO_LARGE' });
    for (let i = 0; i < ANNOTATIONS_MAX; i++) fold = after(fold, { at: 1, label: `l${i}` });
    assert.throws(() => after(fold, { label: 'x' }), { code: 'TOO_LARGE' });
    fold = after(after(fold, { label: 'l7', remove: true }), { at: 1, label: 'l8', description: 'changed' });
    fold = after(fold, { label: 'x' });
    assert.equal(fold.annotations.length, ANNOTATIONS_MAX);
    const wide = Math.ceil(ANNOTATIONS_BYTES_MAX / 3_500);
    let full = bornFold();
    for (let i = 0; i < wide; i++) full = after(full, { label: `l${i}`, description: 'x'.repeat(3_400) });
    assert.throws(() => after(full, { label: 'x', description: 'x'.repeat(3_400) }), { code: 'TOO_LARGE' });
  });

  it('is in what a checkpoint holds; one of an older version holds none', () => {
    const fold = after(bornFold(), { at: 3, label: 'a' });
    const read = decodeFold(encodeFold(fold));
    assert.deepEqual([read.annotations, read.standsAt], [fold.annotations, fold.standsAt]);
    const {
      annotations: _,
      standsAt: __,
      ...old
    } = decode(encodeFold(bornFold())) as Record<string, unknown>;
    const older = decodeFold(encode(old));
    assert.deepEqual([older.annotations, older.standsAt], [[], 10]);
  });
});
