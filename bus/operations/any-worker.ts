/** What any worker does: looks at sessions, and sessions made out of others. */
import { LINEAGE } from './lineage.ts';
import { LOOK } from './looks.ts';
import { PROBING } from './probing.ts';

export const ANY_WORKER = { ...LOOK, ...PROBING, ...LINEAGE };
export type AnyWorkerName = keyof typeof ANY_WORKER;
