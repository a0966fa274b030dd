/** The contract as others import it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AccessMode, type ExecuteResult, type SessionEvent, type SessionMetadata } from 'reprise/types';

describe('reprise/types', () => {
  it('can be imported by its name', () => {
    assert.deepEqual(Object.values(AccessMode), ['readonly', 'readwrite']);
  });

  it('has the fields of the contract', () => {
    const metadata: SessionMetadata = {
      id: 'test',
      name: 'test',
      created: new Date(),
      lastAccessed: new Date(),
      eventCount: 0,
      checkpointCount: 0,
      size: 0,
    };
    const result: ExecuteResult = { output: 'hello', shouldExit: false };
    const events: SessionEvent[] = [
      { type: 'session', version: 1, id: 's', created: 't' },
      { type: 'input', seq: 1, code: 'c', timestamp: 't' },
      { type: 'output', seq: 2, value: 'v', timestamp: 't' },
      { type: 'checkpoint', seq: 3, reason: 'r', stateId: 's' },
      { type: 'llm_req', seq: 4, prompt: 'p', receiptKey: 'k' },
      { type: 'llm_resp', seq: 5, response: 'r', receiptKey: 'k' },
      { type: 'error', seq: 6, message: 'm', timestamp: 't' },
    ];
    assert.deepEqual([metadata.name, result.output, events.length], ['test', 'hello', 7]);
  });
});
