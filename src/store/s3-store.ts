import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
// Types only: loading the SDK takes a third of a second, and most stores are folders.
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import { type BlobStore, StoreError } from './blob-store.js';
import { s3Problem } from './s3-problem.js';

const ID_KEY = 'store-id';
/** Read at once of a large value: a connection is not kept open while somebody works on what came. */
const RANGE_BYTES = 8 * 1024 * 1024;
/** Tries of a range whose bytes stop coming; what comes before them the SDK tries again by itself. */
const RANGE_TRIES = 5;
/** Given at once of what was read. */
const PIECE_BYTES = 64 * 1024;
const PART_BYTES = 8 * 1024 * 1024;
/** A connection on which nothing comes for so long is given up, and the request repeated. */
const SILENCE_MS = 60_000;
const CONNECT_MS = 5000;

/** Where nobody names one: other servers than AWS take any, and AWS tells the right one. */
const DEFAULT_REGION = 'us-east-1';

/** What is loaded when the store is first used. */
type Sdk = typeof import('@aws-sdk/client-s3') & { client: S3Client };

/**
 * A job store on an object store that speaks S3. Credentials, region and endpoint are those of the
 * AWS SDK's standard chain.
 */
export class S3Store implements BlobStore {
  readonly location: string;
  readonly remote = true;
  readonly encrypts = false;
  readonly #bucket: string;
  readonly #prefix: string;
  #sdk: Promise<Sdk> | undefined;
  #id: Promise<string> | undefined;

  /** @param prefix without slashes at its ends; may be empty. */
  constructor(bucket: string, prefix: string) {
    this.#bucket = bucket;
    this.#prefix = prefix === '' ? '' : `${prefix}/`;
    this.location = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`;
  }

  id(): Promise<string> {
    if (this.#id === undefined) {
      this.#id = this.#readId();
      this.#id.catch(() => (this.#id = undefined));
    }
    return this.#id;
  }

  async #readId(): Promise<string> {
    const there = await this.get(ID_KEY);
    if (there !== undefined) return there;
    await this.putIfAbsent(ID_KEY, randomUUID());
    return (await this.get(ID_KEY))!;
  }

  async put(key: string, value: string | Uint8Array): Promise<void> {
    await this.#request(({ client, PutObjectCommand }) =>
      client.send(new PutObjectCommand({ ...this.#object(key), Body: bytesOf(value) })),
    );
  }

  async putStream(key: string, chunks: AsyncIterable<string | Uint8Array>): Promise<void> {
    const { Upload } = await import('@aws-sdk/lib-storage');
    await this.#request(({ client }) =>
      new Upload({
        client,
        params: { ...this.#object(key), Body: Readable.from(bytesIn(chunks)) },
        partSize: PART_BYTES,
        queueSize: 2,
      }).done(),
    );
  }

  async putIfAbsent(key: string, value: string | Uint8Array): Promise<boolean> {
    return this.#request(async ({ client, PutObjectCommand }) => {
      for (;;) {
        try {
          await client.send(
            new PutObjectCommand({
              ...this.#object(key),
              Body: bytesOf(value),
              IfNoneMatch: '*',
            }),
          );
          return true;
        } catch (error) {
          if (statusOf(error) === 412) return false;
          // Somebody else is writing it at this moment: once that has ended, it is there, or not.
          if ((error as Error).name !== 'ConditionalRequestConflict') throw error;
        }
      }
    });
  }

  async get(key: string): Promise<string | undefined> {
    return (await this.getBytes(key))?.toString();
  }

  async getBytes(key: string): Promise<Buffer | undefined> {
    const chunks = await this.getStream(key);
    if (chunks === undefined) return undefined;
    const whole: Uint8Array[] = [];
    for await (const chunk of chunks) whole.push(chunk);
    return Buffer.concat(whole);
  }

  async getStream(key: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    const first = await this.#range(key, 0);
    if (first === undefined) return undefined;
    return this.#ranges(key, first);
  }

  async *#ranges(key: string, first: Range): AsyncGenerator<Uint8Array> {
    yield* pieces(first.bytes);
    for (let from = first.bytes.length; from < first.size;) {
      const range = await this.#range(key, from, first.etag);
      if (range === undefined) throw new Error(`${this.locate(key)} was removed while it was read`);
      yield* pieces(range.bytes);
      from += range.bytes.length;
    }
  }

  /** @param etag what it was when the reading began: halves of two values make none. */
  async #range(key: string, from: number, etag?: string): Promise<Range | undefined> {
    return this.#request(async ({ client, GetObjectCommand }) => {
      for (let tries = 1; ; tries += 1) {
        let answer: GetObjectCommandOutput;
        try {
          answer = await client.send(
            new GetObjectCommand({
              ...this.#object(key),
              Range: `bytes=${from}-${from + RANGE_BYTES - 1}`,
              ...(etag !== undefined && { IfMatch: etag }),
            }),
          );
        } catch (error) {
          if ((error as Error).name === 'NoSuchKey') return undefined;
          // There is no first byte of an empty value.
          if (statusOf(error) === 416) return { bytes: new Uint8Array(), size: 0, etag };
          throw error;
        }
        try {
          const bytes = await answer.Body!.transformToByteArray();
          return { bytes, size: sizeOf(answer, from + bytes.length), etag: answer.ETag };
        } catch (error) {
          if (tries === RANGE_TRIES) throw error;
        }
      }
    });
  }

  locate(key: string): string {
    return `${this.location}/${key}`;
  }

  async list(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    const own = this.#prefix + prefix;
    await this.#request(async ({ client, paginateListObjectsV2 }) => {
      const pages = paginateListObjectsV2(
        { client },
        { Bucket: this.#bucket, Prefix: own, Delimiter: '/' },
      );
      for await (const { Contents = [], CommonPrefixes = [] } of pages) {
        for (const { Key } of Contents) if (Key !== own) keys.push(Key!);
        for (const { Prefix } of CommonPrefixes) keys.push(Prefix!);
      }
    });
    return keys.map((key) => key.slice(this.#prefix.length)).toSorted();
  }

  #object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }

  /** @throws {StoreError} where it is for a person to do something about it. */
  async #request<T>(work: (sdk: Sdk) => Promise<T>): Promise<T> {
    this.#sdk ??= connect();
    const sdk = await this.#sdk;
    try {
      return await work(sdk);
    } catch (error) {
      const endpoint = await sdk.client.config.serviceConfiguredEndpoint?.().catch(() => undefined);
      const problem = s3Problem(error, { bucket: this.#bucket, endpoint });
      if (problem === undefined) throw error;
      throw new StoreError(`the job store ${this.location} cannot be used: ${problem}`, {
        cause: error,
      });
    }
  }
}

interface Range {
  bytes: Uint8Array;
  /** Of the whole value. */
  size: number;
  etag: string | undefined;
}

async function connect(): Promise<Sdk> {
  // The version is fixed and runs on every Node that we do: what later ones need is no news to a user.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const sdk = await import('@aws-sdk/client-s3');
  const options = {
    followRegionRedirects: true,
    // Not every server knows the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: SILENCE_MS },
  } as const;
  const standard = new sdk.S3Client(options);
  const [region, endpoint] = await Promise.all([
    standard.config.region().catch(() => DEFAULT_REGION),
    standard.config.serviceConfiguredEndpoint?.(),
  ]);
  // Servers of one's own seldom have a host name for each bucket.
  const client = new sdk.S3Client({ ...options, region, forcePathStyle: endpoint !== undefined });
  return { ...sdk, client };
}

/** Who works on what comes must not keep the process from all else for long. */
function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
    yield bytes.subarray(from, from + PIECE_BYTES);
  }
}

/** Objects are made of bytes, and a stream of texts would be one of characters. */
async function* bytesIn(chunks: AsyncIterable<string | Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield bytesOf(chunk);
}

function bytesOf(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : value;
}

/** `bytes 0-99/1234`; a server that does not know ranges has sent the whole. */
function sizeOf({ ContentRange }: GetObjectCommandOutput, read: number): number {
  const size = Number(ContentRange?.split('/')[1]);
  return Number.isSafeInteger(size) ? size : read;
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}
