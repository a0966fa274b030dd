/** The lock between processes, and the identity of processes that it stands on. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { lockWithin, tryLock } from '../../actors/supervisor/lock.ts';
import {
  identify,
  identifySelf,
  isRunning,
  signal,
  terminate,
} from '../../actors/supervisor/process-identity.ts';
import { eventually } from './fixture.ts';

describe('a lock between processes', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'lock-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const take = () => {
    const result = tryLock(dir, 'x');
    assert.ok('lock' in result);
    return result.lock;
  };

  it('is held by one at a time and can be taken again after its release', () => {
    const lock = take();
    assert.deepEqual(tryLock(dir, 'x'), { holder: identifySelf() });
    lock.release();
    take().release();
    assert.equal(readdirSync(dir).length, 1, 'old generations and drafts are gone');
  });

  it('is taken over from a dead holder and from one whose pid was given to another process', () => {
    writeFileSync(path.join(dir, 'x.7'), JSON.stringify({ pid: process.pid, start: 'another life' }));
    take().release();
    writeFileSync(path.join(dir, 'x.20'), '{"pid":');
    take().release();
    assert.deepEqual(readdirSync(dir), ['x.21']);
  });

  it('never lets two processes in, though all of them die holding it', async () => {
    const program = fileURLToPath(new URL('./lock-process.mjs', import.meta.url));
    const fighters = Array.from({ length: 4 }, () => spawn(process.execPath, [program, dir, '8']));
    await Promise.all(fighters.map((child) => once(child, 'exit')));
    const journal = readFileSync(path.join(dir, 'journal'), 'utf8').trim().split('\n');
    assert.equal(journal.length, 4 * 8 * 2);
    for (let at = 0; at < journal.length; at += 2) {
      assert.equal(journal[at + 1], journal[at]!.replace('in', 'out'), `line ${at}`);
    }
  });

  it('gives up waiting and says who holds it', async () => {
    const lock = take();
    await assert.rejects(lockWithin(dir, 'x', 0), new RegExp(`process ${process.pid} holds`));
    lock.release();
  });
});

describe('the identity of a process', () => {
  it('tells a process from another that got its pid', () => {
    const self = identifySelf();
    assert.equal(isRunning(self), true);
    assert.equal(isRunning({ ...self, start: 'boot:1' }), process.platform === 'win32');
    assert.equal(isRunning(null), false);
    assert.equal(identify(0), null);
    assert.equal(identify(2 ** 30), null);
  });

  it('counts a zombie as ended', async (t) => {
    if (process.platform !== 'linux') return t.skip('zombies are told apart by /proc');
    // The shell starts a child and becomes a program that never waits for it.
    const parent = spawn('sh', ['-c', 'sleep 0.01 & echo $!; exec sleep 60']);
    const [text] = await once(parent.stdout, 'data');
    const pid = Number(String(text));
    await eventually('the child is a zombie', () => / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')));
    assert.equal(identify(pid), null);
    parent.kill('SIGKILL');
  });

  it('ends a process that ignores SIGTERM, even a frozen one', async () => {
    const child = spawn(process.execPath, [
      '-e',
      'process.on("SIGTERM",()=>{});setInterval(()=>{},1e3);console.log(1)',
    ]);
    await once(child.stdout, 'data');
    const record = identify(child.pid!)!;
    signal(record, 'SIGSTOP');
    await terminate(record, 50);
    assert.equal(isRunning(record), false);
    assert.equal(signal(record, 'SIGTERM'), false);
  });
});
