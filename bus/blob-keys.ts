/** Keys of blobs: each is one token of a subject, or two for what belongs to a scope and is found by its content. */
const KEY = /^[A-Za-z0-9_~-]{1,128}(\.[0-9a-f]{64})?$/;

/** Whether a blob can have this key. */
export const isBlobKey = (key: string): boolean => KEY.test(key);

/** Key of the content with this hash (sha256, hex) in a scope: no scope can take another's content away. */
export const scopedKey = (scope: string, sha256: string): string => `${scope}.${sha256}`;
