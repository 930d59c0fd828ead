/** How fast the rows of a job may start, as people write it. */

const UNITS = { s: 1000, m: 60_000, h: 3_600_000 };

/** A rate as `30/m`: rows per second, minute or hour. */
export const RATE_PATTERN = /^[1-9][0-9]{0,5}\/[smh]$/;
/** What is given where there is to be no rate any more. */
export const NO_RATE = 'off';

/** @param rate as {@link RATE_PATTERN} has it. @returns the milliseconds that one row takes of it. */
export function msPerRow(rate: string): number {
  const [count, unit] = rate.split('/') as [string, keyof typeof UNITS];
  return UNITS[unit] / Number(count);
}
