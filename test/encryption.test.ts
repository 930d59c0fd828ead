/** Keys, the codec of payloads and the encryption of stored values: what fits, and what does not. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ConfigError, encryptionKeys } from '../src/config.js';
import { payloadConverter } from '../src/payload-converter.js';
import { KeyFileError, parseKeys } from '../src/encryption/keys.js';
import { EncryptionCodec } from '../src/encryption/payload-codec.js';
import { PIECE_BYTES, SealBroken, sealed, unsealed } from '../src/encryption/sealed-stream.js';
import { StoreError } from '../src/store/blob-store.js';
import { openStore } from '../src/store/open-store.js';
import { lackedKey, undecodableReason } from '../src/undecodable.js';

const HEX = 'ab'.repeat(32);
const OTHER_HEX = 'cd'.repeat(32);
const K1 = parseKeys(`k1 = ${HEX}`);
const ROTATED = parseKeys(`k2 = ${OTHER_HEX}\nk1 = ${HEX}`);

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-jobs-encryption-'));
});
after(() => rm(folder, { recursive: true, force: true }));

describe('a key file', () => {
  test('has keys in hex or base64; the first one encrypts, all decrypt', () => {
    const base64 = Buffer.from(OTHER_HEX, 'hex').toString('base64');
    const keys = parseKeys(`# ours\r\n\r\n2026.a=${base64}\n  old = ${HEX}  \n`);
    assert.equal(keys.current.id, '2026.a');
    assert.equal(keys.find('old')?.secret.export().toString('hex'), HEX);
    assert.equal(keys.find('2026.a')?.secret.export().toString('hex'), OTHER_HEX);
    assert.equal(keys.find('other'), undefined);
  });

  const faults: [text: string, message: RegExp][] = [
    ['', /^has no key$/],
    ['# k1 = x', /^has no key$/],
    [HEX, /^line 1: must be ID = KEY$/],
    [`\nk 1 = ${HEX}`, /^line 2: an ID is /],
    [`k1 = ${HEX}\nk1 = ${OTHER_HEX}`, /^line 2: there is another key "k1" before it$/],
    [
      `k1 = ${HEX.slice(2)}`,
      /^line 1: the key "k1" must be 32 bytes in base64 or hex, as "openssl/,
    ],
    ['k1 = not a key', /^line 1: the key "k1" must be 32 bytes/],
    ['k1 =', /^line 1: the key "k1" must be 32 bytes/],
  ];
  for (const [text, message] of faults) {
    test(`that is ${JSON.stringify(text.slice(0, 12))}… is refused`, () => {
      assert.throws(
        () => parseKeys(text),
        (error) => {
          assert.ok(error instanceof KeyFileError);
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /abab|cdcd/, 'it tells nothing of a key');
          return true;
        },
      );
    });
  }

  test('is read only where it is private, and says what to do', async () => {
    const path = join(folder, 'keys');
    await writeFile(path, `k1 = ${HEX}`, { mode: 0o600 });
    assert.equal(encryptionKeys(path)?.current.id, 'k1');
    const refused = (message: RegExp, file = path) =>
      assert.throws(
        () => encryptionKeys(file),
        (error) => error instanceof ConfigError && message.test(error.message),
      );
    for (const mode of [0o604, 0o660, 0o622]) {
      await chmod(path, mode);
      refused(/can be read or changed by others .* chmod 600 /);
    }
    refused(/none is not there\. To make one: .*openssl rand/, join(folder, 'none'));
    refused(/cannot be read: EISDIR/, await mkdtemp(join(folder, 'd-')));
    await writeFile(path, 'k1 = x');
    await chmod(path, 0o600);
    refused(/keys cannot be used: line 1: the key "k1" must be/);
  });
});

describe('a payload', () => {
  const value = { text: 'the secret', list: [1, null] };
  const plain = () => payloadConverter.toPayload(value);
  const decoded = async (codec: EncryptionCodec, payload: ReturnType<typeof plain>) =>
    payloadConverter.fromPayload<unknown>((await codec.decode([payload]))[0]!);

  test('is ciphertext, another one each time, and comes back with an older key too', async () => {
    const codec = new EncryptionCodec(K1);
    const [first, second] = await codec.encode([plain(), plain()]);
    assert.ok(!Buffer.from(first!.data!).includes('secret'));
    assert.notDeepEqual(first!.data, second!.data);
    assert.ok(first!.data!.length - plain().data!.length < 100, 'the limits of payloads hold');
    assert.deepEqual(await decoded(codec, first!), value);
    assert.deepEqual(await decoded(new EncryptionCodec(ROTATED), first!), value);
    const [newer] = await new EncryptionCodec(ROTATED).encode([plain()]);
    assert.equal(
      lackedKey(await decoded(codec, newer!))?.slice(0, 34),
      'it is encrypted with key "k2", whi',
    );
  });

  test('that was changed, cut off or has another key of that ID is told from one whose key lacks', async () => {
    const codec = new EncryptionCodec(K1);
    const [payload] = await codec.encode([plain()]);
    const broken = (change: (data: Buffer) => Uint8Array) => ({
      ...payload!,
      data: change(Buffer.from(payload!.data!)),
    });
    const cases = [
      broken((data) => data.fill(data[20]! ^ 1, 20, 21)),
      broken((data) => data.subarray(0, -1)),
      broken((data) => data.subarray(0, 5)),
      broken(() => new Uint8Array()),
      (await new EncryptionCodec(parseKeys(`k1 = ${OTHER_HEX}`)).encode([plain()]))[0]!,
    ];
    for (const each of cases) {
      const got = await decoded(codec, each);
      assert.match(
        undecodableReason(got) ?? '',
        /^it was changed after it was encrypted, or key "k1"/,
      );
      assert.equal(lackedKey(got), undefined);
    }
  });

  test('of a key that is not there is handed on as it is, also when it is encoded again', async () => {
    const [payload] = await new EncryptionCodec(parseKeys(`k9 = ${OTHER_HEX}`)).encode([plain()]);
    const codec = new EncryptionCodec(K1);
    const [again] = await codec.encode(await codec.decode([payload!]));
    assert.deepEqual(again, payload);
  });
});

describe('a stored value', () => {
  const whole = async (chunks: AsyncIterable<Uint8Array>) => {
    const all: Uint8Array[] = [];
    for await (const chunk of chunks) all.push(chunk);
    return Buffer.concat(all);
  };
  const pieces = function* (bytes: Buffer, size: number) {
    for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
  };

  test('of any length comes back, however it is cut when it is written and read', async () => {
    for (const length of [
      0,
      1,
      15,
      PIECE_BYTES - 1,
      PIECE_BYTES,
      PIECE_BYTES + 1,
      3 * PIECE_BYTES + 7,
    ]) {
      const value = Buffer.alloc(length, 'some secret text ');
      for (const size of [7_000, PIECE_BYTES, 1_000_000]) {
        const cipher = await whole(sealed(K1.current, 'a/b', pieces(value, size)));
        assert.ok(!cipher.includes('secret'));
        for (const cut of [cipher.length, 100_000, 997, ...(length < 100 ? [1] : [])]) {
          const back = await whole(unsealed(ROTATED, 'a/b', pieces(cipher, cut)));
          assert.ok(back.equals(value), `${length} in ${size}, read in ${cut}`);
        }
      }
    }
  });

  test('that was changed anywhere, cut off, put together anew or moved is refused', async () => {
    const value = Buffer.alloc(2 * PIECE_BYTES + 100, 'text');
    const cipher = await whole(sealed(K1.current, 'a', [value]));
    const head = cipher.indexOf('\n') + 1 + 32;
    const piece = PIECE_BYTES + 16;
    const flipped = (at: number) => {
      const copy = Buffer.from(cipher);
      copy[at]! ^= 1;
      return copy;
    };
    const first = cipher.subarray(head, head + piece);
    const second = cipher.subarray(head + piece, head + 2 * piece);
    const rest = cipher.subarray(head + 2 * piece);
    const start = cipher.subarray(0, head);
    const cases: Record<string, Buffer> = {
      'a bit of the random bytes': flipped(head - 1),
      'a bit of the text': flipped(head + 5),
      'a bit of the last tag': flipped(cipher.length - 1),
      'without its last byte': cipher.subarray(0, -1),
      'without its last piece': Buffer.concat([start, first, second]),
      'without any piece': start,
      'in the middle of its first line': cipher.subarray(0, 26),
      'without a piece between': Buffer.concat([start, first, rest]),
      'with two pieces changed over': Buffer.concat([start, second, first, rest]),
      'with more behind it': Buffer.concat([cipher, rest]),
    };
    for (const [what, bytes] of Object.entries(cases)) {
      await assert.rejects(whole(unsealed(K1, 'a', pieces(bytes, 50_000))), SealBroken, what);
    }
    await assert.rejects(whole(unsealed(K1, 'b', [cipher])), SealBroken, 'by another name');
  });

  test('says which key it takes, and is told from plain text, which is read as it is', async () => {
    const location = join(folder, 'store');
    const [plain, withKey] = [openStore(location), openStore(location, K1)];
    await plain.put('before', 'written without a key');
    assert.equal(await withKey.get('before'), 'written without a key');
    for (const text of [
      '',
      '\ufffd',
      'agent-jobs encrypted 1 k1\n',
      '\u00ffagent-jobs encrypted 1 ',
    ]) {
      await plain.put('alike', text);
      assert.equal(await withKey.get('alike'), text);
    }
    await withKey.put('secret', 'written with a key');
    assert.ok(!(await readFile(join(location, 'secret'))).includes('written'));
    const message =
      /secret cannot be read: it is encrypted with key "k1", which this process does not have: give it the key file that has it, with --keys-file or AGENT_JOBS_KEYS_FILE$/;
    for (const store of [plain, openStore(location, parseKeys(`k2 = ${OTHER_HEX}`))]) {
      await assert.rejects(store.get('secret'), (error) => {
        assert.ok(error instanceof StoreError);
        assert.match(error.message, message);
        return true;
      });
    }
    await assert.rejects(openStore(location, parseKeys(`k1 = ${OTHER_HEX}`)).get('secret'), {
      message: /it was changed or cut off since it was written, or its key is another one/,
    });
  });
});
