import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import type { Keys } from './encryption/keys.js';
import { EncryptionCodec } from './encryption/payload-codec.js';

/**
 * The data converter of workers and clients. Workflow code has its converters from the bundle.
 * @param keys what they write is encrypted, failure messages included; undefined: it is not, and what is
 *   encrypted cannot be read.
 */
export function dataConverterFor(keys: Keys | undefined): DataConverter {
  const payloadConverterPath = compiled('payload-converter.js');
  if (keys === undefined) {
    return { payloadConverterPath, failureConverterPath: compiled('failure-converter.js') };
  }
  return {
    payloadConverterPath,
    failureConverterPath: compiled('encoding-failure-converter.js'),
    payloadCodecs: [new EncryptionCodec(keys)],
  };
}

/** Of processes without keys. */
export const dataConverter = dataConverterFor(undefined);

function compiled(file: string): string {
  return fileURLToPath(new URL(`../dist/${file}`, import.meta.url));
}
