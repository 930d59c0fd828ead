import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';

/** The data converter of workers and clients. Workflow code has it from the bundle. */
export const dataConverter: DataConverter = {
  payloadConverterPath: fileURLToPath(new URL('../dist/payload-converter.js', import.meta.url)),
};
