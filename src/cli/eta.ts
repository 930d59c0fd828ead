import type { JobStatus } from '../client.js';

/** Seconds of a job that say how evenly its rows end. */
const MIN_SECONDS = 10;
/** The 90th percentile of a normal distribution, in standard deviations. */
const Z90 = 1.2816;

/**
 * When a job ends in nine cases of ten, if its rows go on to end as unevenly as they did. The time to the n-th of
 * events whose counts in each second have mean m and variance v has variance n v / m³; m itself is known from k
 * seconds only, with variance v / k, which makes n² v / (k m⁴) of the time.
 * @param ended rows that ended in each of the last seconds.
 * @returns seconds from now; undefined where too little is known.
 */
export function etaAtP90(
  { eta_seconds, rows_per_second: rate }: JobStatus,
  ended: number[],
): number | undefined {
  const seconds = ended.length;
  if (eta_seconds === null || rate === null || rate <= 0 || seconds < MIN_SECONDS) return undefined;
  const mean = ended.reduce((sum, count) => sum + count, 0) / seconds;
  const variance = ended.reduce((sum, count) => sum + (count - mean) ** 2, 0) / (seconds - 1);
  const left = eta_seconds * rate;
  const spread = (left * variance) / rate ** 3 + (left ** 2 * variance) / (seconds * rate ** 4);
  return eta_seconds + Z90 * Math.sqrt(spread);
}
