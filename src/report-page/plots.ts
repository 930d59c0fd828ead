/** Bars of rows by status, as throughput and time per row need them. */
interface Bin {
  label: string;
  counts: Record<string, number>;
}

const ENDED: RowStatus[] = ['completed', 'failed', 'cancelled'];
const PLOT = { width: 560, height: 190, left: 40, right: 8, top: 10, bottom: 24 };

function binOf(label: string): Bin {
  return { label, counts: {} };
}

function addTo(bin: Bin | undefined, status: string): void {
  if (bin !== undefined) bin.counts[status] = (bin.counts[status] ?? 0) + 1;
}

/** @param marks texts below the plot, by the place of their bin; may lie between two. */
function plot(
  id: string,
  label: string,
  bins: Bin[],
  marks: [place: number, text: string][],
): void {
  const { width, height, left, right, top, bottom } = PLOT;
  const sums = bins.map(({ counts }) => ENDED.reduce((sum, name) => sum + (counts[name] ?? 0), 0));
  const highest = roundUp(sums.reduce((most, sum) => Math.max(most, sum), 1));
  const [inner, tall] = [width - left - right, height - top - bottom];
  const xOf = (place: number) => left + (place / bins.length) * inner;
  const yOf = (count: number) => top + tall - (count / highest) * tall;
  const svg = draw('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label });
  for (const count of new Set([0, highest / 2, highest])) {
    if (!Number.isInteger(count)) continue;
    const y = yOf(count);
    svg.append(draw('line', { x1: left, x2: width - right, y1: y, y2: y, class: 'rule' }));
    const at = { x: left - 6, y: y + 4, 'text-anchor': 'end' };
    svg.append(draw('text', at, countText(count)));
  }
  bins.forEach((bin, place) => {
    let below = 0;
    for (const status of ENDED) {
      const count = bin.counts[status] ?? 0;
      if (count === 0) continue;
      const x = xOf(place) + 0.5;
      const y = yOf(below + count);
      const size = { width: Math.max(1, inner / bins.length - 1), height: yOf(below) - y };
      const title = draw('title', {}, `${bin.label}: ${rowsText(count)} ${status}`);
      svg.append(draw('rect', { x, y, ...size, class: status }, title));
      below += count;
    }
  });
  for (const [place, text] of marks) {
    const x = xOf(place);
    const anchor = x < left + 20 ? 'start' : x > width - 40 ? 'end' : 'middle';
    svg.append(draw('text', { x, y: height - 6, 'text-anchor': anchor }, text));
  }
  byId(id).append(svg);
}

function showThroughput(job: ReportJob, rows: ReportRow[]): void {
  const ends = rows.filter(({ end }) => end !== undefined);
  if (ends.length === 0) {
    byId('throughput-note').textContent = 'no row has ended';
    return;
  }
  const first = ends.reduce((least, { end }) => Math.min(least, end!), Infinity);
  const from = Math.min(job.started ?? first, first);
  const to = ends.reduce((most, { end }) => Math.max(most, end!), from + 1);
  const step = stepOf(to - from, 60);
  const count = Math.floor((to - from) / step) + 1;
  const bins = Array.from({ length: count }, (_, place) =>
    binOf(`after ${durationText(place * step)}`),
  );
  for (const { end, status } of ends) addTo(bins[Math.floor((end! - from) / step)], status);
  const apart = stepOf(to - from, 6);
  const marks: [number, string][] = [];
  for (let at = 0; at <= to - from; at += apart) marks.push([at / step, durationText(at)]);
  const rate = (ends.length / (to - from)) * 1000;
  const mean = rate >= 1 ? `${rate.toFixed(1)} rows/s` : `${(rate * 60).toFixed(1)} rows/min`;
  byId('throughput-note').textContent = `rows ended per ${durationText(step)}; ${mean} on average`;
  plot('throughput', `Rows ended over time, ${mean} on average`, bins, marks);
}

const LATENCY_BINS = 36;

function showLatency(rows: ReportRow[], now: number): void {
  const times: { ms: number; status: RowStatus }[] = [];
  for (const row of rows) {
    const ms = rowMs(row, now);
    if (ms !== undefined && row.status !== 'running') times.push({ ms, status: row.status });
  }
  if (times.length === 0) {
    byId('latency-note').textContent = 'not known';
    return;
  }
  const sorted = times.map(({ ms }) => ms).sort((a, b) => a - b);
  // Times lie far apart: each bin is some factor longer than the one before.
  const [least, most] = [Math.max(1, sorted[0]!), Math.max(2, sorted.at(-1)!)];
  const low = Math.log(least);
  const span = Math.max(Math.log(most) - low, 0.5);
  const placeOf = (ms: number) => ((Math.log(Math.max(ms, least)) - low) / span) * LATENCY_BINS;
  const edge = (place: number) => Math.exp(low + (place / LATENCY_BINS) * span);
  const bins = Array.from({ length: LATENCY_BINS }, (_, place) =>
    binOf(`${durationText(edge(place))} to ${durationText(edge(place + 1))}`),
  );
  for (const { ms, status } of times) {
    addTo(bins[Math.min(LATENCY_BINS - 1, Math.floor(placeOf(ms)))], status);
  }
  const marks = [0, 0.25, 0.5, 0.75, 1].map((share): [number, string] => [
    share * LATENCY_BINS,
    durationText(edge(share * LATENCY_BINS)),
  ]);
  const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => durationText(quantile(sorted, share)));
  const said = `median ${p50}, 90 % within ${p90}, 99 % within ${p99}`;
  byId('latency-note').textContent = said;
  plot('latency', `Rows by the time they took: ${said}`, bins, marks);
}
