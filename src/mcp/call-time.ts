/**
 * @returns a signal that aborts with another, or after so many seconds. Not by `AbortSignal.any`: in
 *   Node 20, a timeout that nothing but such a signal refers to may be collected, and never comes
 *   (https://github.com/nodejs/node/issues/57736).
 */
export function within(seconds: number, signal: AbortSignal): AbortSignal {
  const over = new AbortController();
  const abort = () => over.abort(signal.reason);
  setTimeout(abort, Math.round(seconds * 1000)).unref();
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return over.signal;
}
