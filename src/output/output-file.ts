import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { lstat, open, readlink, realpath, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { readRows } from '../input/read-rows.js';

/** An output path cannot be used; the message names it and says what to do. */
export class OutputError extends Error {
  override name = 'OutputError';
}

/**
 * Refuses an output path that cannot be written, is the input, or holds another's file.
 * @param options.isOwn whether a file that is there is one that this job has written.
 * @throws {OutputError}
 */
export async function checkOutput(
  output: string,
  {
    input,
    jobId,
    overwrite,
    isOwn = isOutputOf,
  }: { input: string; jobId: string; overwrite: boolean; isOwn?: typeof isOutputOf },
): Promise<void> {
  const target = await linkTarget(output);
  // A job's input may be gone when its results are asked for.
  if ((await realpath(input).catch(() => undefined)) === target) {
    throw new OutputError(`the output ${output} is the input: name another with --output`);
  }
  const existing = await lstat(target).catch(() => undefined);
  if (existing !== undefined && !existing.isFile()) {
    throw new OutputError(
      `the output ${output} is there and not a file: name another with --output`,
    );
  }
  if (existing !== undefined && !overwrite && !(await isOwn(target, jobId))) {
    throw new OutputError(
      `the output ${output} is there already: name another with --output, or replace it with --overwrite`,
    );
  }
  const probe = temporaryName(target);
  try {
    await (await open(probe, 'wx')).close();
    await unlink(probe);
  } catch (error) {
    throw new OutputError(
      `the output ${output} cannot be written: ${(error as Error).message}; name another with --output`,
    );
  }
}

/** Writes a file whole or not at all. */
export async function writeWhole(
  path: string,
  chunks: AsyncIterable<string | Uint8Array>,
): Promise<void> {
  const target = await linkTarget(path);
  const temporary = temporaryName(target);
  try {
    await pipeline(
      Readable.from(chunks),
      createWriteStream(temporary, { flags: 'wx', flush: true }),
    );
    await rename(temporary, target);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
}

/** Beside the target, since a rename does not cross file systems. */
function temporaryName(target: string): string {
  return join(
    dirname(target),
    `.${basename(target).slice(0, 100)}.${randomUUID().slice(0, 8)}.tmp`,
  );
}

/** Where a path leads, its last link included: a rename would replace the link itself. */
async function linkTarget(path: string): Promise<string> {
  const isLink = (await lstat(path).catch(() => undefined))?.isSymbolicLink() === true;
  if (isLink) return linkTarget(resolve(dirname(path), await readlink(path)));
  const folder = await realpath(dirname(path)).catch(() => dirname(path));
  return join(folder, basename(path));
}

async function isOutputOf(path: string, jobId: string): Promise<boolean> {
  try {
    const { rows } = readRows(path);
    for await (const { row } of rows) {
      // Where the input had a job_id of its own, ours has the longer name.
      return (row['agent_job_job_id'] ?? row['job_id']) === jobId;
    }
  } catch {
    // Not a file that we wrote.
  }
  return false;
}
