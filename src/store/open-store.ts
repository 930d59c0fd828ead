import { type BlobStore, StoreError } from './blob-store.js';
import type { Keys } from '../encryption/keys.js';
import { EncryptedStore } from './encrypted-store.js';
import { FolderStore } from './folder-store.js';
import { S3Store } from './s3-store.js';

/**
 * The job store at a location: `s3://bucket/prefix`, or a folder. Nothing is read or made before it is
 * used.
 * @param keys encrypt what is written. Default: it is not encrypted.
 * @throws {StoreError} where there can be no store of this name.
 */
export function openStore(location: string, keys?: Keys): BlobStore {
  return new EncryptedStore(bytesAt(location), keys);
}

function bytesAt(location: string): BlobStore {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(location)) return new FolderStore(location);
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)(?:\/(.*))?$/i.exec(location) ?? [];
  if (bucket === undefined) {
    throw new StoreError(
      `the job store ${location} is neither a folder nor s3://BUCKET or s3://BUCKET/PREFIX`,
    );
  }
  return new S3Store(bucket, prefix.replace(/^\/+|\/+$/g, ''));
}
