/** @returns what the promise resolves to; undefined where the signal aborts before. */
export async function until<T>(promise: Promise<T>, over: AbortSignal): Promise<T | undefined> {
  // It may fail when nobody waits for it any more.
  promise.catch(() => {});
  let stop!: () => void;
  const aborted = new Promise<undefined>((resolve) => (stop = () => resolve(undefined)));
  over.addEventListener('abort', stop);
  if (over.aborted) stop();
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    over.removeEventListener('abort', stop);
  }
}
