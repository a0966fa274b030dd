/** Requests to storage about blobs. The subject names the kind, too, because permissions go by subjects. */
import * as v from 'valibot';
import { isBlobKey } from '../blob-keys.ts';
import type { BusRole } from '../roles.ts';
import { bytes, flag, natural, optional, type Schema, shaped } from '../schema.ts';
import { AccessMode } from '../types.ts';
import { operation } from './row.ts';

/** Checkpoint images by their stateId, receipts by their receipt key, large values by scope and hash (`large.ts`). */
export const BLOB_KINDS = ['ckpt', 'receipt', 'large'] as const;
export type BlobKind = (typeof BLOB_KINDS)[number];

/**
 * `store.blob.put.<kind>` / `store.blob.get.<kind>`: large blobs go in parts. The subject names the kind, too, because
 * permissions go by subjects.
 */
export interface BlobPutRequest {
  kind: BlobKind;
  key: string;
  bytes: Uint8Array;
  /** Part `part` of `parts`; absent: whole. */
  part?: number;
  parts?: number;
}
export interface BlobPutReply {
  stored: boolean;
}
export interface BlobGetRequest {
  kind: BlobKind;
  key: string;
  part?: number;
}
export interface BlobGetReply {
  /** null: no such blob. */
  bytes: Uint8Array | null;
  parts: number;
  /** There never will be one: the session it would have belonged to was deleted. */
  sealed?: boolean;
}

const blobKind = v.picklist(BLOB_KINDS);
const blobKey = v.custom<string>(
  (value) => typeof value === 'string' && isBlobKey(value),
  'Expected the key of a blob: one safe token, or a scope and a sha256',
);
const putRequest = shaped<BlobPutRequest>({
  kind: blobKind,
  key: blobKey,
  bytes,
  part: optional(natural),
  parts: optional(natural),
});
const getRequest = shaped<BlobGetRequest>({
  kind: blobKind,
  key: blobKey,
  part: optional(natural),
});
const putReply = shaped<BlobPutReply>({ stored: flag });
const getReply = shaped<BlobGetReply>({
  bytes: v.nullable(v.instance(Uint8Array)) as Schema<Uint8Array | null>,
  parts: natural,
  sealed: optional(flag),
});

const get = (kind: BlobKind, from: readonly BusRole[], what: string) =>
  operation({
    subject: `store.blob.get.${kind}`,
    request: getRequest,
    reply: getReply,
    from,
    servedBy: ['storage'],
    access: AccessMode.ReadOnly,
    idempotent: true,
    answer: 'quick',
    what,
  });
const put = (kind: BlobKind, from: readonly BusRole[], what: string) =>
  operation({
    subject: `store.blob.put.${kind}`,
    request: putRequest,
    reply: putReply,
    from,
    servedBy: ['storage'],
    access: AccessMode.ReadWrite,
    idempotent: true,
    answer: 'quick',
    what,
  });

export const BLOB = {
  'blob.get.ckpt': get('ckpt', ['worker'], 'reads a heap image'),
  'blob.put.ckpt': put('ckpt', ['worker'], 'stores a heap image'),
  'blob.get.receipt': get('receipt', ['llm'], 'reads the receipt of a model call'),
  'blob.put.receipt': put('receipt', ['llm'], 'stores the receipt of a model call'),
  'blob.get.large': get('large', ['client', 'worker', 'llm'], 'reads a value that no commit holds'),
  'blob.put.large': put('large', ['worker', 'llm'], 'stores a value that no commit holds'),
};
