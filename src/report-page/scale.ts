/** Steps of an axis that people read easily. */
const SECONDS = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30],
  ...[60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400],
];

/** The smallest step, in milliseconds, that divides a span into no more than so many parts. */
function stepOf(spanMs: number, parts: number): number {
  const step = SECONDS.find((seconds) => seconds * 1000 * parts >= spanMs);
  return step === undefined ? Math.ceil(spanMs / parts / 86_400_000) * 86_400_000 : step * 1000;
}

/** The smallest of 1, 2, 5, 10, … that is no less. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= value) ?? 10);
}

/** The value below which this share of the sorted values lies. */
function quantile(sorted: number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}
