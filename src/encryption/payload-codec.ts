import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';
import { ENCRYPTED, KEY_ID, UNDECRYPTABLE } from '../encrypted-payload.js';
import type { Keys } from './keys.js';

const PayloadProto = proto.temporal.api.common.v1.Payload;
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Encrypts payloads with AES-256-GCM, in the form of the encryption samples of Temporal's SDKs: so that
 * workers in other languages, with a user's own activities, can read them.
 *
 * It never throws: one payload that cannot be decrypted must not keep its workflow from all others. What
 * has an unknown key is handed on as it is, what does not fit its key as {@link UNDECRYPTABLE}.
 */
export class EncryptionCodec implements PayloadCodec {
  readonly #keys: Keys;

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => this.#encrypt(payload));
  }

  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => this.#decrypt(payload));
  }

  #encrypt(payload: Payload): Payload {
    // Of a key that this process does not have, and handed on.
    if (metadata(payload, 'encoding') === ENCRYPTED) return payload;
    const { id, secret } = this.#keys.current;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, secret, nonce);
    const data = Buffer.concat([
      nonce,
      cipher.update(PayloadProto.encode(payload).finish()),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    return { metadata: { encoding: Buffer.from(ENCRYPTED), [KEY_ID]: Buffer.from(id) }, data };
  }

  #decrypt(payload: Payload): Payload {
    if (metadata(payload, 'encoding') !== ENCRYPTED) return payload;
    const key = this.#keys.find(metadata(payload, KEY_ID));
    if (key === undefined) return payload;
    try {
      const data = payload.data ?? new Uint8Array();
      const decipher = createDecipheriv(CIPHER, key.secret, data.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAuthTag(data.subarray(-TAG_BYTES));
      const plain = Buffer.concat([
        decipher.update(data.subarray(NONCE_BYTES, -TAG_BYTES)),
        decipher.final(),
      ]);
      return PayloadProto.decode(plain);
    } catch {
      const why = `it was changed after it was encrypted, or key "${key.id}" is not the one that it was encrypted with`;
      return { metadata: { encoding: Buffer.from(UNDECRYPTABLE) }, data: Buffer.from(why) };
    }
  }
}

function metadata(payload: Payload, name: string): string {
  return Buffer.from(payload.metadata?.[name] ?? []).toString();
}
