/** The version of the behaviours that the session was born with. */
import { type BehaviourId, behaves } from '../../behaviours.ts';

let version = 0;

export function setVersion(born: number): void {
  version = born;
}

/** Whether this session behaves so (`behaviours.ts`). */
export const sessionBehaves = (id: BehaviourId): boolean => behaves(version, id);
