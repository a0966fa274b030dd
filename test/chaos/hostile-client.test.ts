/** A client that means harm, against a whole system: with its own user it gets no further than the command line does. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { SessionClient } from '../../bus/client/client.ts';
import { decode, encode } from '../../bus/codec.ts';
import { hasCode } from '../../bus/errors.ts';
import { longCall } from '../../bus/long-call.ts';
import type { NatsBus } from '../../bus/nats.ts';
import { LOOK } from '../../bus/operations/looks.ts';
import { makeSubjects, type Subjects, sessionToken } from '../../bus/subjects.ts';
import type { Failure } from '../../bus/wire.ts';
import { startSystem, type TestSystem } from '../kit/system.ts';
import { until } from '../kit/until.ts';

describe('a hostile client', () => {
  let system: TestSystem;
  let client: SessionClient;
  let bus: NatsBus;
  let subjects: Subjects;
  before(async () => {
    system = await startSystem({ workers: 1 });
    client = await system.connect();
    bus = await system.enter('client');
    subjects = makeSubjects(system.processes.connection().prefix);
    await client.execute('mine', 'let x = 1');
    await client.execute('other', 'let x = 2');
  });
  after(async () => {
    await bus?.close();
    await system?.[Symbol.asyncDispose]();
  });

  const ask = async (subject: string, request: object): Promise<Failure> => {
    const data = encode(request);
    return decode(
      await longCall(bus, { subject, data, timeoutMs: 10_000, pingSubject: subjects.ping }),
    ) as Failure;
  };

  it('is told DENIED for everything that is not an operation of clients', async () => {
    const commit = { v: 1, session: 'mine', events: [] };
    const call = { receiptKey: 'k', session: 'mine', request: { prompt: 'x' } };
    const key = 'planted';
    const attempts: [string, object][] = [
      [subjects.append('mine'), { commit, expected: 0 }],
      [subjects.llm, call],
      [subjects.store('load'), { session: 'mine', kernel: '' }],
      ...['ckpt', 'receipt', 'large'].map((kind): [string, object] => [
        subjects.store(`blob.put.${kind}`),
        { kind, key, bytes: Uint8Array.of(1) },
      ]),
      [subjects.store('blob.get.receipt'), { kind: 'receipt', key }],
      [subjects.log('mine'), commit],
      [subjects.live('mine'), {}],
      ['$JS.API.STREAM.NAMES', {}],
      [`$JS.API.STREAM.PURGE.${subjects.streams.log.name}`, {}],
    ];
    for (const [subject, request] of attempts) {
      await assert.rejects(ask(subject, request), (error) => hasCode(error, 'DENIED'), subject);
    }
  });

  it('reaches no session through another one', async () => {
    const request = (session: string) => ({ op: 'execute', session, command: 'x = 666', commandId: session });
    const refusals = [
      await ask(subjects.cmd(sessionToken('mine')), request('other')),
      await ask(subjects.activate, { session: 'mine', request: request('other') }),
      await ask(subjects.store('blob.get.large'), { kind: 'receipt', key: 'k' }),
    ];
    for (const { ok, code } of refusals) assert.deepEqual([ok, code], [false, 'BAD_REQUEST']);
    assert.equal((await client.execute('other', 'x')).output, '2');
    // The same name in another normal form is the same session.
    await client.execute('caf\u00e9', '1');
    const plain = { op: 'inspect', session: 'cafe\u0301' };
    assert.equal((await ask(subjects.cmd(sessionToken('caf\u00e9')), plain)).ok, true);
  });

  it('is answered to inboxes alone: no answer becomes a request to somebody else', async () => {
    const refusalsOf = async () => {
      const found = new Map<string, number>();
      await until(async () => {
        for (const { role, counters } of await client.who())
          found.set(role, counters?.['error.BAD_FORMAT'] ?? 0);
        return found.size === 4;
      });
      return [...found].sort();
    };
    const before = await refusalsOf();
    const targets = [
      subjects.llm,
      subjects.append('mine'),
      subjects.store('delete'),
      subjects.store('blob.put.receipt'),
      subjects.log('mine'),
      subjects.cmd('mine'),
      subjects.activate,
    ];
    for (const reply of targets) {
      bus.publish(subjects.store('get'), encode({ session: 'mine' }), { reply });
      bus.publish(subjects.store('list'), encode({}), { reply });
      bus.publish(subjects.who, encode({}), { reply });
      const execute = { op: 'execute', session: 'mine', command: 'x', commandId: reply };
      bus.publish(subjects.cmd('mine'), encode(execute), { reply });
      bus.publish(subjects.activate, encode({ session: 'mine', request: execute }), { reply });
      bus.publish(subjects.any(LOOK.replay), encode({ session: 'mine' }), { reply });
    }
    await bus.flush();
    await client.execute('mine', 'x');
    await client.listSessions();
    assert.deepEqual(await refusalsOf(), before);
    assert.equal((await client.replay('mine')).verified, true);
    // Nothing of all that ran: only what was asked properly is in the log.
    const inputs: unknown[] = [];
    for await (const event of client.events('mine')) if (event.type === 'input') inputs.push(event.code);
    assert.deepEqual(inputs, ['let x = 1', 'x']);
  });

  it('poses as nobody: requests and answers pass it by', async () => {
    const heard: string[] = [];
    const wanted = [
      subjects.cmd('*'),
      subjects.activate,
      subjects.llm,
      subjects.storeAll,
      subjects.appendAll,
    ];
    for (const subject of [
      ...wanted,
      subjects.any(LOOK.replay),
      subjects.who,
      '_INBOX.>',
      '_INBOX.worker.>',
      '>',
    ]) {
      bus.subscribe(subject, (message) => {
        heard.push(message.subject);
        message.respond(encode({ ok: true, output: 'forged' }));
      });
    }
    await bus.flush();
    for (let n = 0; n < 20; n++) assert.equal((await client.execute('mine', `${n} + 1`)).output, `${n + 1}`);
    const answer = await client.execute('mine', "await llm({prompt: 'who is there?', model: 'echo'})");
    assert.match(answer.output, /who is there\?/);
    await bus.flush();
    assert.deepEqual(heard, []);
  });
});
