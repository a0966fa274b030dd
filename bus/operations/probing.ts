/** Looks into a cell of the past while it runs once more, in a copy: the session is not touched. */
import * as v from 'valibot';
import { CELL_REQUEST_BYTES_MAX } from '../limits.ts';
import { flag, natural, optional, shaped, text } from '../schema.ts';
import { type Divergence, divergence, look } from './looks.ts';
import { operation } from './row.ts';

/** Hits, or statements, that are told unless a request says otherwise; and at most. */
export const HITS_DEFAULT = 1_000;
export const HITS_MAX = 10_000;

/** How the cell went that was run once more. */
export interface CellRun {
  session: string;
  cell: number;
  /** Of how many more only the number is told. */
  more: number;
  /** It has no outcome in the log yet: only what has one was run. */
  unfinished?: boolean;
  /** It was stopped from outside, which was repeated. */
  struck?: 'user' | 'timeout';
  /** It was undone, by an error of this name: nothing of what it did lasted. */
  undone?: string;
  /** Where it gave something else than the log says; it was not run any further. */
  divergence?: Divergence;
}

/** `probe`: what expressions are each time a line of a cell runs. */
export interface ProbeRequest {
  session: string;
  /** Number of the cell. */
  cell: number;
  /** Line of its code, from 1. */
  line: number;
  /** With commas between them. */
  expressions: string;
  /** An expression that says whether a hit counts; where it throws, it does not. */
  condition?: string;
  limit?: number;
}
export interface ProbeReply extends CellRun {
  line: number;
  expressions: string[];
  hits: ProbeHit[];
  /** What the condition threw where it threw first. */
  refused?: string;
}
export interface ProbeHit {
  values: ProbedValue[];
}
/** An expression's value as a console shows it, or what it threw. */
export interface ProbedValue {
  expr: string;
  value?: string;
  error?: string;
}

/** `trace`: the statements of a cell as they run. */
export interface TraceRequest {
  session: string;
  cell: number;
  limit?: number;
}
export interface TraceReply extends CellRun {
  steps: TraceStep[];
  /** What the last statement changed, when the cell came to its end. */
  changed: TracedName[];
}
export interface TraceStep {
  line: number;
  /** The line of the code. */
  source: string;
  /** Names whose value is another one than at the step before. */
  changed: TracedName[];
}
export interface TracedName {
  name: string;
  /** On one line. */
  value: string;
}

const run = {
  session: text,
  cell: natural,
  more: natural,
  unfinished: optional(flag),
  struck: optional(v.picklist(['user', 'timeout'])),
  undone: optional(text),
  divergence: optional(divergence),
};
const probedValue = shaped<ProbedValue>({ expr: text, value: optional(text), error: optional(text) });
const tracedNames = v.array(shaped<TracedName>({ name: text, value: text }));

const probing = { ...look, requestBytes: CELL_REQUEST_BYTES_MAX } as const;

export const PROBING = {
  probe: operation({
    ...probing,
    subject: 'probe',
    request: shaped<ProbeRequest>({
      session: text,
      cell: natural,
      line: natural,
      expressions: text,
      condition: optional(text),
      limit: optional(natural),
    }),
    reply: shaped<ProbeReply>({
      ...run,
      line: natural,
      expressions: v.array(text),
      hits: v.array(shaped<ProbeHit>({ values: v.array(probedValue) })),
      refused: optional(text),
    }),
    what: 'runs a cell of the past again and looks at expressions on one of its lines',
  }),
  trace: operation({
    ...probing,
    subject: 'trace',
    request: shaped<TraceRequest>({ session: text, cell: natural, limit: optional(natural) }),
    reply: shaped<TraceReply>({
      ...run,
      steps: v.array(shaped<TraceStep>({ line: natural, source: text, changed: tracedNames })),
      changed: tracedNames,
    }),
    what: 'runs a cell of the past again and tells each statement',
  }),
};
