/**
 * Waits for something, but not for ever.
 * @throws after so many seconds, with what was waited for.
 */
export async function within<T>(what: string, seconds: number, awaited: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const message = `${what}: not within ${Math.round(seconds)} s`;
    timer = setTimeout(() => reject(new Error(message)), 1000 * seconds);
  });
  try {
    return await Promise.race([awaited, late]);
  } finally {
    clearTimeout(timer);
  }
}
