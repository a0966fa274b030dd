/**
 * `reprise demo`: the whole system at work on real processes. Every claim it prints was checked with real
 * values; one that fails ends the demo with exit code 1 and the difference.
 */

import { setImmediate as turn } from 'node:timers/promises';
import type { SystemStatus } from '../actors/supervisor/status.ts';
import type { SessionClient } from '../bus/client/client.ts';
import { newCommandId } from '../bus/client/command-id.ts';
import type { EventOf, SessionEvent, SessionEventType } from '../bus/types.ts';
import type { Stage } from './demo-stage.ts';
import { formatDuration } from './duration.ts';
import { count } from './render/text.ts';

const SESSION = 'demo';
/** How long the cell that loses its worker computes, about. */
const COMPUTE_MS = 1_500;
const CALIBRATION_STEPS = 2_000_000;

/** Plays all chapters in order. @throws what a chapter throws; a claim that does not hold is thrown, too. */
export async function playDemo(stage: Stage): Promise<void> {
  await stage.chapter('Starting real processes', start);
  await stage.chapter('A session runs cells', cells);
  await stage.chapter('Three model calls in parallel (an offline provider)', models);
  await stage.chapter('kill -9 of the worker in the middle of a running cell', crash);
  await stage.chapter('Everything stops, everything starts again', restart);
  await stage.chapter('The log, re-executed in a fresh kernel', replay);
}

async function start(stage: Stage): Promise<void> {
  const onProgress = (line: string) => stage.tell(`${line} …`);
  await stage.system.up({ workers: 2, signal: stage.signal, onProgress });
  const status = await stage.system.status();
  stage.equal(status.workers.length, 2, 'two workers run');
  stage.equal(status.storage.length > 0 && status.llm.length > 0, true, 'storage and LLM actor run');
  tellProcesses(stage, status);
  stage.sessions = await stage.connect();
}

function tellProcesses(stage: Stage, { nats, storage, llm, workers }: SystemStatus): void {
  const pids = (processes: { pid: number }[]) => processes.map(({ pid }) => pid).join(', ');
  stage.tell(`nats-server ${nats?.version ?? ''} (pid ${nats?.pid ?? 'elsewhere'})`);
  stage.tell(`storage (pid ${pids(storage)}), llm (pid ${pids(llm)}), workers (pid ${pids(workers)})`);
}

async function cells(stage: Stage): Promise<void> {
  const cell = (code: string, output: string) => runCell(stage, code, { output });
  await cell('let count = 41', '');
  await cell('count += 1', '42');
  await cell('const tick = (() => { let n = 0; return () => ++n })(); tick(); tick()', '2');
  await cell('await Promise.resolve("awaited at the top level")', "'awaited at the top level'");
  await cell(
    'class Account { #balance = 0; deposit(sum: number): number { return (this.#balance += sum) } }\nconst account = new Account(); account.deposit(100)',
    '100',
  );
  await cell(
    'function* squares() { for (let i = 1; ; i++) yield i * i }\nconst square = squares(); square.next()',
    '{ value: 1, done: false }',
  );
  await runCell(stage, "console.log('hello from', new Map([['the', 'sandbox']]))", {
    output: '',
    stdout: "hello from Map(1) { 'the' => 'sandbox' }\n",
  });
  await runCell(stage, "throw new RangeError('thrown on purpose')", {
    error: 'RangeError: thrown on purpose',
  });
  await cell('_error.message', "'thrown on purpose'");
}

async function models(stage: Stage): Promise<void> {
  const code = "(await Promise.all(['red', 'green', 'blue'].map((hue) => llm('a word for ' + hue)))).length";
  const [first, last] = await runCell(stage, code, { output: '3' });
  const events = await eventsOf(stage.sessions, first, last);
  const asked = ofType(events, 'llm_req');
  const answered = ofType(events, 'llm_resp');
  stage.equal([asked.length, answered.length], [3, 3], 'three requests and three answers in the log');
  stage.equal(
    answered.some((event) => event.error !== undefined),
    false,
    'no call failed',
  );
  stage.equal(asked.at(-1)!.seq < answered[0]!.seq, true, 'all were asked before one was answered');
  for (const event of answered) stage.tell(`recorded at seq ${event.seq}: ${JSON.stringify(event.response)}`);
  stage.holds('all three left together; each answer is in the log, so a replay asks nobody');
}

async function crash(stage: Stage): Promise<void> {
  const { sessions } = stage;
  const loop = (steps: number) =>
    `(() => { let n = 0; for (let i = 0; i < ${steps}; i++) n += i; return n })()`;
  const sample = await sessions.execute(SESSION, loop(CALIBRATION_STEPS));
  const steps = Math.ceil((CALIBRATION_STEPS * COMPUTE_MS) / Math.max(sample.durationMs, 1));
  const code = `const plan = await llm('how to survive a crash'); [plan.length > 0, ${loop(steps)}]`;
  stage.cell(code);

  const from = sample.seq[1] + 1;
  const commandId = newCommandId();
  let answered = false;
  const running = sessions.execute(SESSION, code, { commandId }).finally(() => {
    answered = true;
  });
  running.catch(() => {}); // awaited below, after the kill
  await logHolds(sessions, from, 'llm_resp', () => answered);
  const { workers } = await stage.system.status();
  const owner = workers.find((worker) => worker.id === sample.worker);
  stage.equal(owner !== undefined && !answered, true, 'the cell runs, and its owner is known');
  process.kill(owner!.pid, 'SIGKILL');
  const killedAt = performance.now();
  stage.tell(`kill -9 ${owner!.pid} (worker ${owner!.id}), while it computes`);

  const reply = await running;
  const tookMs = performance.now() - killedAt;
  stage.result(reply.output);
  stage.equal(reply.output, `[ true, ${((steps - 1) * steps) / 2} ]`, 'the answer is right');
  stage.equal(reply.worker !== owner!.id, true, 'another worker answered');
  const events = await eventsOf(sessions, ...reply.seq);
  const inputs = ofType(events, 'input').filter((event) => event.commandId === commandId);
  stage.equal(inputs.length, 1, 'the cell is in the log once');
  stage.equal(ofType(events, 'llm_req').length, 1, 'the model was asked once');
  stage.holds(
    `worker ${reply.worker} answered after ${formatDuration(tookMs)}, computing it anew; the model was not asked again`,
  );
}

async function restart(stage: Stage): Promise<void> {
  await stage.sessions.disconnect();
  const before = await stage.system.status();
  await stage.system.down();
  stage.equal((await stage.system.status()).workers.length, 0, 'nothing runs any more');
  stage.tell('down: nothing runs');
  await stage.system.up({ workers: 2, signal: stage.signal });
  const after = await stage.system.status();
  const pids = ({ storage, llm, workers }: SystemStatus) =>
    [...storage, ...llm, ...workers].map(({ pid }) => pid);
  stage.equal(
    pids(after).some((pid) => pids(before).includes(pid)),
    false,
    'every process is a new one',
  );
  tellProcesses(stage, after);
  stage.sessions = await stage.connect();
  await runCell(stage, '[count, tick(), account.deposit(1), square.next().value]', {
    output: '[ 42, 3, 101, 4 ]',
  });
  stage.holds('variables, a closure, a private field and a generator: all where they were');
}

async function replay(stage: Stage): Promise<void> {
  const verdict = await stage.sessions.replay(SESSION);
  stage.equal(verdict.divergence, undefined, 'nothing diverged');
  stage.equal(verdict.verified, true, 'the replay is verified');
  stage.equal(verdict.checkpoints > 0, true, 'there were heap hashes to compare');
  const { events, checkpoints, durationMs } = verdict;
  const compared = `${count(events, 'event')} re-executed in ${formatDuration(durationMs)}`;
  const hashes = checkpoints === 1 ? 'the one heap hash' : `all ${checkpoints} heap hashes`;
  stage.holds(`${compared} without asking a model; every output and ${hashes} matched`);
}

interface Expected {
  output?: string;
  stdout?: string;
  error?: string;
}

/** Runs a cell as a person would see it, and checks what came back. Returns its seq range. */
async function runCell(stage: Stage, code: string, expected: Expected): Promise<[number, number]> {
  stage.cell(code);
  const reply = await stage.sessions.execute(SESSION, code);
  const error = reply.error === null ? undefined : `${reply.error.name}: ${reply.error.message}`;
  if (reply.stdout !== '') stage.result(reply.stdout.trimEnd());
  if (error !== undefined) stage.result(error);
  else if (reply.output !== '') stage.result(reply.output);
  const actual = { output: reply.output, stdout: reply.stdout, error };
  stage.equal(
    actual,
    { output: '', stdout: '', error: undefined, ...expected },
    'the cell answers as expected',
  );
  return reply.seq;
}

async function eventsOf(sessions: SessionClient, from: number, to?: number): Promise<SessionEvent[]> {
  const events: SessionEvent[] = [];
  for await (const event of sessions.events(SESSION, from, to)) events.push(event);
  return events;
}

function ofType<T extends SessionEventType>(events: SessionEvent[], type: T): EventOf<T>[] {
  return events.filter((event): event is EventOf<T> => event.type === type);
}

/** Waits until an event of a type is in the log from `from` on, or until it is no use. */
async function logHolds(
  sessions: SessionClient,
  from: number,
  type: SessionEventType,
  over: () => boolean,
): Promise<void> {
  while (!over()) {
    if (ofType(await eventsOf(sessions, from), type).length > 0) return;
    await turn();
  }
}
