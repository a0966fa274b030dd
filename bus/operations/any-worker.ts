/** What any worker does: looks at sessions, and sessions made out of others. */
import { LINEAGE } from './lineage.ts';
import { LOOK } from './looks.ts';

export const ANY_WORKER = { ...LOOK, ...LINEAGE };
export type AnyWorkerName = keyof typeof ANY_WORKER;
