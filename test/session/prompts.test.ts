/** How requests to models stand in the log, today and in sessions of old. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { openedBy } from '../../actors/effects/kinds.ts';
import { eventsOfTurn } from '../../actors/timeline/turn.ts';
import { decode, encode, wired } from '../../bus/codec.ts';
import type { EventOf, Json } from '../../bus/types.ts';
import { at, turn } from './samples.ts';

const facts = { first: 2, timestamp: at(2), sessionId: 'id-1', running: null, durationMs: 3 };

it('the events of a turn tell a prompt once, in sessions of today, and mean the same request as those of old', () => {
  const json = fc.jsonValue();
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value));
  const requests = fc.oneof(
    fc.record({ prompt: fc.string() }),
    fc.record({ prompt: fc.string(), model: fc.string(), extra: json }),
    fc.record({ messages: fc.array(json) }),
    fc.record({ prompt: fc.string(), messages: fc.array(json) }),
  );
  fc.assert(
    fc.property(requests, (payload) => {
      const request = { effect: 1, kind: 'llm', payload: wired(plain(payload)) as Json };
      const [older, newer] = [3, 4].map((version) => {
        const [event] = eventsOfTurn(turn({ requests: [request] }), { ...facts, version });
        return decode(encode(event)) as EventOf<'llm_req'>;
      });
      assert.deepEqual(plain(openedBy(newer!)), plain(openedBy(older!)));
      assert.deepEqual(plain(openedBy(newer!).payload), plain(request.payload));
      const isTold = typeof (newer!.request as { prompt?: string } | undefined)?.prompt === 'string';
      assert.equal(isTold, 'messages' in payload && 'prompt' in payload);
    }),
  );
});
