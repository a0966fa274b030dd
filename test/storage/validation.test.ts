/** What may follow what: the rules of the log, one by one and for any history. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decode, encode } from '../../bus/codec.ts';
import { type ErrorCode, hasCode } from '../../bus/errors.ts';
import { APPEND } from '../../bus/operations/storage.ts';
import { parse } from '../../bus/schema.ts';
import type { Commit, SessionEvent } from '../../bus/types.ts';
import { sealed } from '../../storage/commit-bytes.ts';
import { assertFollows, type Newest, newestOf } from '../../storage/validation.ts';
import { type Draft, iso, SessionWriter, sealCommit } from '../kit/commits.ts';

const timestamp = iso(0);

/** Any event but `session` and `closed`. */
const draft: fc.Arbitrary<Draft> = fc.oneof(
  fc.record({ type: fc.constant('input' as const), code: fc.string(), timestamp: fc.constant(timestamp) }),
  fc.record({
    type: fc.constant('output' as const),
    value: fc.string({ unit: 'grapheme' }),
    timestamp: fc.constant(timestamp),
    durationMs: fc.double({ noNaN: true, noDefaultInfinity: true }),
  }),
  fc.record({
    type: fc.constant('checkpoint' as const),
    reason: fc.constant('idle'),
    stateId: fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1 }),
    sizeBytes: fc.nat(),
  }),
  fc.record({
    type: fc.constant('effect_req' as const),
    kind: fc.string(),
    effect: fc.nat(),
    timestamp: fc.constant(timestamp),
    payload: fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<never>,
  }),
);
const history = fc.array(fc.array(draft, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 50 });

/** What storage does to a commit, without a store: over the wire, checked, kept. */
function follow(commit: Commit, previous: Newest | null, position: number): Newest {
  const request = parse(APPEND.request, decode(encode({ commit, expected: previous?.position ?? 0 })));
  const { hash, bytes } = sealed(request.commit);
  assertFollows(request.commit, previous, hash);
  return newestOf({ commit: request.commit, position, sizeBytes: bytes.byteLength });
}

/** Commits of a history, each with what stood before it. */
function written(drafts: Draft[][]): { commit: Commit; before: Newest | null }[] {
  const by = new SessionWriter('some name');
  const commits: { commit: Commit; before: Newest | null }[] = [];
  let before: Newest | null = null;
  for (const [index, events] of drafts.entries()) {
    const commit = by.next(index === 0 ? [by.begin(), ...events] : events);
    commits.push({ commit, before });
    const position = by.position + 1 + (index % 3);
    before = follow(commit, before, position);
    by.wrote(commit, { position, sizeBytes: sealed(commit).bytes.byteLength });
  }
  return commits;
}

function refused(commit: Commit, before: Newest | null, ...codes: ErrorCode[]): void {
  assert.throws(
    () => follow(commit, before, 1_000_000),
    (error) => hasCode(error, ...codes),
  );
}

const reseal = ({ hash: _, ...content }: Commit, change: Partial<Commit>) =>
  sealCommit({ ...content, ...change });

describe('validation', () => {
  it('takes every history of a correct writer', () => {
    fc.assert(
      fc.property(history, (drafts) => void written(drafts)),
      { numRuns: 60 },
    );
  });

  it('stores bytes that decode to the commit itself', () => {
    fc.assert(
      fc.property(history, (drafts) => {
        for (const { commit } of written(drafts)) {
          const stored = decode(sealed(commit).bytes) as Commit;
          assert.deepEqual(stored, decode(encode(commit)));
          assert.equal(sealed(stored).hash, commit.hash);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('notices a change of any byte of a commit', () => {
    const { commit, before } = written([[{ type: 'input', code: 'x', timestamp }]])[0]!;
    const bytes = encode({ commit, expected: 0 });
    fc.assert(
      fc.property(fc.nat(bytes.byteLength - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = Uint8Array.from(bytes);
        damaged[at] = damaged[at]! ^ flip;
        let request: unknown;
        try {
          request = parse(APPEND.request, decode(damaged));
        } catch (error) {
          assert.ok(hasCode(error, 'BAD_FORMAT'));
          return;
        }
        const { commit: changed, expected } = request as { commit: Commit; expected: number };
        if (expected !== 0) return; // the one byte outside the commit: the compare-and-set is there for that
        assert.throws(() => assertFollows(changed, before, sealed(changed).hash));
      }),
      { numRuns: 500 },
    );
  });

  it('refuses a commit anywhere but in its place', () => {
    fc.assert(
      fc.property(history, fc.nat(), fc.nat(), (drafts, a, b) => {
        const commits = written(drafts);
        const { commit } = commits[a % commits.length]!;
        const { before } = commits[b % commits.length]!;
        if (a % commits.length === b % commits.length) follow(commit, before, 1_000_000);
        else refused(commit, before, 'SEQ_GAP', 'CHAIN_BROKEN');
      }),
      { numRuns: 60 },
    );
  });

  const two = () =>
    written([[{ type: 'input', code: '1', timestamp }], [{ type: 'input', code: '2', timestamp }]]);

  it('refuses gaps and repetitions of seq', () => {
    const { commit, before } = two()[1]!;
    const at = (seq: number) => [{ ...commit.events[0]!, seq } as SessionEvent];
    refused(reseal(commit, { first: commit.first + 1, events: at(commit.first + 1) }), before, 'SEQ_GAP');
    refused(reseal(commit, { first: commit.first - 1, events: at(commit.first - 1) }), before, 'SEQ_GAP');
    refused(reseal(commit, { events: at(commit.first + 1) }), before, 'SEQ_GAP');
  });

  it('refuses a session that begins with anything but its session event', () => {
    const { commit } = two()[0]!;
    const [, input] = commit.events as [SessionEvent, SessionEvent];
    refused(reseal(commit, { events: [{ ...input, seq: 0 } as SessionEvent] }), null, 'BAD_FORMAT');
    refused(reseal(commit, { first: 1, events: [input] }), null, 'SEQ_GAP');
    const second = two()[1]!;
    const begin = { ...commit.events[0]!, seq: second.commit.first } as SessionEvent;
    refused(reseal(second.commit, { events: [begin] }), second.before, 'BAD_FORMAT');
  });

  it('takes a session event without a seq, as the contract writes it', () => {
    const { commit } = two()[0]!;
    const { seq: _, ...begin } = commit.events[0] as Extract<SessionEvent, { type: 'session' }>;
    follow(reseal(commit, { events: [begin, commit.events[1]!] }), null, 1);
  });

  it('refuses a hash of something else and a wrong hash of the commit before', () => {
    const { commit, before } = two()[1]!;
    refused({ ...commit, hash: 'f'.repeat(64) }, before, 'CHAIN_BROKEN');
    refused(reseal(commit, { prev: 'f'.repeat(64) }), before, 'CHAIN_BROKEN');
    refused(reseal(commit, { prev: '' }), before, 'CHAIN_BROKEN');
  });

  it('refuses a head whose numbers are not true', () => {
    const { commit, before } = two()[1]!;
    for (const change of [
      { name: 'another' },
      { id: 'another' },
      { created: iso(1) },
      { checkpointCount: 1 },
      { sizeBefore: commit.head.sizeBefore + 1 },
      { tail: [] },
      { tail: [commit.head.tail[0]! + 1] },
      { tail: [1, ...commit.head.tail].map((position, index) => position + index) },
      { checkpoint: { seq: 1, stateId: 'a' } },
    ]) {
      refused(reseal(commit, { head: { ...commit.head, ...change } }), before, 'BAD_FORMAT');
    }
    refused(reseal(commit, { epoch: 0 }), before, 'BAD_FORMAT');
  });

  it('takes nothing after a closed event, in the same commit or the next', () => {
    const closed: Draft = { type: 'closed', reason: 'exit', timestamp };
    const commits = written([[{ type: 'input', code: '1', timestamp }, closed]]);
    const before = follow(commits[0]!.commit, null, 1);
    refused(two()[1]!.commit, before, 'CLOSED');
    const { commit } = two()[0]!;
    const [begin, input] = commit.events as [SessionEvent, SessionEvent];
    const events = [begin, { ...closed, seq: 1 }, { ...input, seq: 2 }] as SessionEvent[];
    refused(reseal(commit, { events }), null, 'CLOSED');
  });
});
