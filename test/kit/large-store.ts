/** Large values of a blob store, read and written without a bus. */
import { type AskStorage, BlobClient } from '../../bus/blob-client.ts';
import type { BlobGetRequest, BlobPutRequest } from '../../bus/operations/blobs.ts';
import { BlobParts } from '../../storage/blob-parts.ts';
import type { BlobStore } from '../../storage/ports.ts';

/** @param contentBytes of one message */
export function largeStore(blobs: BlobStore, contentBytes: number): BlobClient {
  const parts = new BlobParts(blobs);
  const ask = (operation: string, request: object) =>
    operation.startsWith('blob.get.')
      ? parts.get(request as BlobGetRequest)
      : parts.put(request as BlobPutRequest);
  return new BlobClient(ask as unknown as AskStorage, () => contentBytes);
}
