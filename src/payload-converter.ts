/**
 * The default payload converter, except that a payload which it cannot decode becomes a marked value.
 *
 * The default one throws, which fails the workflow task, which the server then repeats for ever: one
 * signal with a broken payload would wedge an item, and no good report sent later would be read.
 */
import { type Payload, type PayloadConverter, defaultPayloadConverter } from '@temporalio/common';
import { ENCRYPTED, KEY_ID, UNDECRYPTABLE, WHERE_KEYS_COME_FROM } from './encrypted-payload.js';
import { undecodable } from './undecodable.js';

export const payloadConverter: PayloadConverter = {
  toPayload: (value) => defaultPayloadConverter.toPayload(value),
  fromPayload<T>(payload: Payload): T {
    switch (text(payload.metadata?.['encoding'])) {
      case ENCRYPTED: {
        const key = text(payload.metadata?.[KEY_ID]).slice(0, 64);
        const reason = `it is encrypted with key ${JSON.stringify(key)}, which this process does not have: ${WHERE_KEYS_COME_FROM}`;
        return undecodable(reason, { lacksKey: true }) as T;
      }
      case UNDECRYPTABLE:
        return undecodable(text(payload.data).slice(0, 200)) as T;
    }
    try {
      return defaultPayloadConverter.fromPayload<T>(payload);
    } catch (error) {
      return undecodable(error instanceof Error ? error.message : String(error)) as T;
    }
  },
};

/** Bytes that are empty may come as an empty array of another kind. */
function text(bytes: Iterable<number> | null | undefined): string {
  return new TextDecoder().decode(Uint8Array.from(bytes ?? []));
}
