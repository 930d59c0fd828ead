/**
 * The default payload converter, except that a payload which it cannot decode becomes a marked value.
 *
 * The default one throws, which fails the workflow task, which the server then repeats for ever: one
 * signal with a broken payload would wedge an item, and no good report sent later would be read.
 */
import { type Payload, type PayloadConverter, defaultPayloadConverter } from '@temporalio/common';
import { undecodable } from './undecodable.js';

export const payloadConverter: PayloadConverter = {
  toPayload: (value) => defaultPayloadConverter.toPayload(value),
  fromPayload<T>(payload: Payload): T {
    try {
      return defaultPayloadConverter.fromPayload<T>(payload);
    } catch (error) {
      return undecodable(error instanceof Error ? error.message : String(error)) as T;
    }
  },
};
