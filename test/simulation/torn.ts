/**
 * Logs that somebody tampered with while nobody looked: what is wrong is said, nothing is written on top of it, no
 * session is rewound or begun anew beside its old log, and `rm` goes on working.
 */
import assert from 'node:assert/strict';
import type { SessionClient } from '../../bus/client/client.ts';
import { RepriseError } from '../../bus/errors.ts';
import { sessionToken } from '../../bus/subjects.ts';
import type { MemoryLog } from '../../storage/memory-log.ts';
import { counterOf } from './checks.ts';
import type { Kernels } from './kernels.ts';
import { pick, type Random } from './random.ts';
import { HARMS, type Harm } from './tampering.ts';

const NOTHING_MORE = ['CORRUPT', 'CHAIN_BROKEN', 'DIVERGED', 'BAD_FORMAT'];
const COMMITS_MIN = 3;

export interface TornSystem {
  log: MemoryLog;
  cell: Kernels['cell'];
  client: SessionClient;
  random: Random;
  trace: (line: string) => void;
  /** Fails when the work takes too long. */
  within: <T>(what: string, work: Promise<T>) => Promise<T>;
  /** Whatever remembers anything of a session is gone, and others have taken its place. */
  restart: () => Promise<void>;
}

interface Patient {
  session: string;
  kind: keyof typeof HARMS | 'unharmed';
  /** The counter before. */
  n: number;
  /** No command may run on it. */
  isStopped: boolean;
}

export async function assertTornLogs(system: TornSystem, sessions: readonly string[]): Promise<void> {
  const { log, client, random, trace, within, restart } = system;
  const whole: { session: string; n: number }[] = [];
  for (const session of sessions) {
    if ((await log.count(sessionToken(session))) < COMMITS_MIN) continue;
    const { state } = await within(`a look at ${session}`, client.inspect(session));
    whole.push({ session, n: counterOf(state.variables) ?? 0 });
  }
  // Owners, and storage that has seen more of a log than there is, find it out too.
  const isCold = random() < 0.5;
  if (isCold) await restart();
  const patients = whole.map(({ session, n }): Patient => {
    const kind = random() < 0.15 ? 'unharmed' : pick(random, Object.keys(HARMS) as (keyof typeof HARMS)[]);
    trace(`${kind}: ${session}`);
    const other = whole.find((one) => one.session !== session)!.session;
    if (kind !== 'unharmed') harm(log, session, other, HARMS[kind], random);
    const stops = kind === 'unharmed' ? 'some' : HARMS[kind].stops;
    return { session, kind, n, isStopped: stops === 'all' || (stops === 'readers' && isCold) };
  });
  for (const patient of patients)
    await within(`${label(patient)} goes on or says why not`, goesOn(system, patient));
  const { broken } = await within('examination', client.examine());
  const { sessions: listed, troubles } = await within('overview', client.overview());
  for (const patient of patients) {
    const { session, kind } = patient;
    const links = kind !== 'unharmed' && HARMS[kind].links;
    const found = broken.find((one) => one.session === session || one.session === sessionToken(session));
    if (links) assert.ok(found, `${label(patient)}: the examination finds nothing`);
    if (kind === 'unharmed') assert.deepEqual(found, undefined, `${label(patient)}: examination`);
    const seen = [...listed.map(({ name }) => name), ...troubles.map((trouble) => trouble.session)];
    assert.ok(
      seen.includes(session) || seen.includes(sessionToken(session)),
      `${label(patient)}: the list leaves it out`,
    );
  }
  for (const patient of patients) await within(`${label(patient)} is removed`, begunAnew(system, patient));
}

const label = ({ session, kind }: Patient) => `${session} (${kind})`;

function harm(log: MemoryLog, session: string, of: string, { do: act }: Harm, random: Random): void {
  let other: Parameters<Harm['do']>[0]['other'] = [];
  log.tamper(sessionToken(of), (kept) => {
    other = kept.filter(({ bytes }) => bytes);
    return kept;
  });
  log.tamper(sessionToken(session), (kept, next) => {
    const grave = kept.findLastIndex(({ bytes }) => bytes === null);
    return [...kept.slice(0, grave + 1), ...act({ kept: kept.slice(grave + 1), next, other }, random)];
  });
}

async function goesOn({ log, client, cell }: TornSystem, patient: Patient): Promise<void> {
  const { session, kind, n } = patient;
  const token = sessionToken(session);
  const before = await log.count(token);
  const outcome = await client.execute(session, cell([['inc']]), { waitMs: 60_000 }).then(
    ({ output }) => output,
    (error) => RepriseError.from(error),
  );
  if (outcome instanceof RepriseError) {
    assert.notEqual(kind, 'unharmed', `${label(patient)} is refused: ${outcome.code} ${outcome.message}`);
    assert.ok(NOTHING_MORE.includes(outcome.code), `${label(patient)}: ${outcome.code} ${outcome.message}`);
    assert.equal(outcome.retryable, false, `${label(patient)}: ${outcome.code} is not worth a retry`);
    assert.equal(await log.count(token), before, `${label(patient)}: something was written on top`);
  } else {
    assert.equal(outcome, String(n + 1), `${label(patient)}: it was rewound`);
    assert.ok(!patient.isStopped, `${label(patient)}: a command ran on top of it`);
  }
  const verdict = await client.replay(session).then(
    ({ divergence }) => divergence && 'diverged',
    (error) => RepriseError.from(error).code,
  );
  if (kind === 'unharmed') assert.equal(verdict, undefined, `${label(patient)}: replay`);
  else
    assert.ok([...NOTHING_MORE, 'diverged'].includes(verdict!), `${label(patient)}: replay says ${verdict}`);
  let breaks = 0;
  for await (const found of client.salvage(session)) if ('broken' in found) breaks += 1;
  // What is gone from the end leaves no trace in what is left.
  if (kind !== 'beheaded')
    assert.equal(breaks > 0, kind !== 'unharmed', `${label(patient)}: ${breaks} breaks`);
}

async function begunAnew({ client, cell }: TornSystem, patient: Patient): Promise<void> {
  assert.equal(await client.deleteSession(patient.session), true, `${label(patient)} was not there`);
  const { output } = await client.execute(patient.session, cell([['inc']]), { waitMs: 60_000 });
  assert.equal(output, '1', `${label(patient)}: what begins anew remembers`);
}
