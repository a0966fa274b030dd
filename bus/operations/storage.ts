/** All that storage is asked for, by name. */
import { BLOB } from './blobs.ts';
import { CATALOGUE } from './catalogue.ts';
import { LOG } from './logs.ts';

const { append, ...reading } = LOG;

/** Requests on `store.<name>`. */
export const STORE = { ...reading, ...CATALOGUE, ...BLOB };
export type StoreOperation = keyof typeof STORE;
/** Commits have subjects of their own: `append.<shard>.<session>`. */
export const APPEND = append;
