/** What a large job's speed and histories were while its rows went through, as an SVG. */
import type { GrowthPoint } from './growth.js';

export interface Curve {
  /** Of the whole job. */
  rows: number;
  points: GrowthPoint[];
  /** Rows per second of small jobs, just before. */
  few: { rows: number; rowsPerSecond: number };
}

const WIDTH = 880;
const LEFT = 76;
const RIGHT = 36;
const HEAD = 84;
const PANEL = 160;
const GAP = 46;
const FOOT = 58;
const LIMIT_OF_A_HISTORY = 10_000;

const number = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 });

interface Panel {
  title: string;
  /** Said at the right, beside the title. */
  note: string;
  className: string;
  values: [rows: number, value: number][];
  /** A value to be compared with. */
  mark?: { value: number; label: string };
  /** Whether a value holds for all rows since the one before. */
  stepped?: boolean;
}

export function chart({ rows, points, few }: Curve): string {
  const last = points.at(-1);
  const panels: Panel[] = [
    {
      title: 'Rows per second',
      note: last ? `${number.format(mean(points))} on average` : '',
      className: 'speed',
      values: points.map((point) => [point.rows, point.rowsPerSecond]),
      mark: {
        value: few.rowsPerSecond,
        label: `a job of ${number.format(few.rows)} rows: ${number.format(few.rowsPerSecond)}`,
      },
      stepped: true,
    },
    {
      title: 'History of the job: events in all its runs',
      note: last ? `${(last.events / last.rows).toFixed(2)} per row` : '',
      className: 'total',
      values: [[0, 0], ...points.map(({ rows, events }): [number, number] => [rows, events])],
    },
    {
      title: 'History of the job: events in its longest run',
      note: last ? `${number.format(last.longestEvents)} at most` : '',
      className: 'longest',
      values: [
        [0, 0],
        ...points.map(({ rows, longestEvents }): [number, number] => [rows, longestEvents]),
      ],
      mark: { value: LIMIT_OF_A_HISTORY, label: `limit: ${number.format(LIMIT_OF_A_HISTORY)}` },
    },
  ];
  const height = HEAD + panels.length * PANEL + (panels.length - 1) * GAP + FOOT;
  const reached = last?.rows ?? 0;
  const of = reached < rows ? `, the first ${number.format(reached)}` : '';
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title">
<title id="title">A job of ${number.format(rows)} rows: rows per second, and the events of its histories, against rows that have ended</title>
${STYLE}
<rect class="ground" width="${WIDTH}" height="${height}" rx="10"/>
<text class="head" x="${LEFT}" y="36">One job of ${number.format(rows)} rows${of}</text>
<text class="sub" x="${LEFT}" y="57">Instant agents, 64 in flight, a worker and the dev server on one machine</text>
${panels.map((panel, n) => drawn(panel, HEAD + n * (PANEL + GAP), rows)).join('\n')}
${rowTicks(rows, height - FOOT)}
</svg>
`;
}

/** Where what a curve is to be compared with is named: right of every title, left of every note. */
const LEGEND = LEFT + 372;

/** Of all rows, whatever the moments between which they ended. */
function mean(points: GrowthPoint[]): number {
  let before = 0;
  let seconds = 0;
  for (const { rows, rowsPerSecond } of points) {
    seconds += (rows - before) / rowsPerSecond;
    before = rows;
  }
  return before / seconds;
}

const across = (value: number, rows: number) =>
  round(LEFT + (value / rows) * (WIDTH - LEFT - RIGHT));
const round = (value: number) => Math.round(value * 10) / 10;

function drawn(
  { title, note, className, values, mark, stepped }: Panel,
  top: number,
  rows: number,
) {
  const above = top + 34;
  const below = top + PANEL;
  const ticks = niceTicks(Math.max(mark?.value ?? 0, ...values.map(([, value]) => value), 1));
  const most = ticks.at(-1)!;
  const y = (value: number) => round(below - (value / most) * (below - above));
  const grid = ticks.map(
    (tick) =>
      `<line class="${tick === 0 ? 'axis' : 'grid'}" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(tick)}" y2="${y(tick)}"/>` +
      `<text class="tick" x="${LEFT - 10}" y="${y(tick) + 4}" text-anchor="end">${number.format(tick)}</text>`,
  );
  const upright = niceTicks(rows)
    .slice(1)
    .filter((tick) => tick <= rows)
    .map(
      (tick) =>
        `<line class="grid" x1="${across(tick, rows)}" x2="${across(tick, rows)}" y1="${above}" y2="${below}"/>`,
    );
  const line = values
    .map(([row, value], n) => {
      const before = values[n - 1]?.[0] ?? 0;
      const at = `${across(row, rows)},${y(value)}`;
      return stepped ? `${across(before, rows)},${y(value)} ${at}` : at;
    })
    .join(' ');
  const first = line.split(',')[0];
  const end = across(values.at(-1)?.[0] ?? 0, rows);
  const curve =
    values.length === 0
      ? `<text class="tick" x="${LEFT + 16}" y="${(above + below) / 2}">not measured yet</text>`
      : `<polygon class="area ${className}" points="${first},${below} ${line} ${end},${below}"/>` +
        `<polyline class="line ${className}" points="${line}"/>`;
  return [
    `<text class="title" x="${LEFT}" y="${top + 12}">${title}</text>`,
    `<text class="note ${className}" x="${WIDTH - RIGHT}" y="${top + 12}" text-anchor="end">${note}</text>`,
    ...upright,
    ...grid,
    curve,
    ...(mark ? [marked(mark, y(mark.value), top + 12)] : []),
  ].join('\n');
}

function marked({ label }: { label: string }, y: number, legendY: number): string {
  return (
    `<line class="mark" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/>` +
    `<line class="mark" x1="${LEGEND}" x2="${LEGEND + 28}" y1="${legendY - 4}" y2="${legendY - 4}"/>` +
    `<text class="tick" x="${LEGEND + 36}" y="${legendY}">${label}</text>`
  );
}

function rowTicks(rows: number, y: number): string {
  const ticks = niceTicks(rows).filter((tick) => tick <= rows);
  return [
    ...ticks.map(
      (tick) =>
        `<text class="tick" x="${across(tick, rows)}" y="${y + 20}" text-anchor="middle">${number.format(tick)}</text>`,
    ),
    `<text class="axisname" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${y + 42}" text-anchor="middle">rows that have ended</text>`,
  ].join('\n');
}

/** From 0 to the first that is not below the value, in round steps. */
function niceTicks(value: number): number[] {
  const rough = value / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough)!;
  return Array.from({ length: Math.ceil(value / step) + 1 }, (_, n) => n * step);
}

/** Both themes by classes alone: not every viewer of SVG knows variables. */
const STYLE = `<style>
text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; font-size: 12px; }
.ground { fill: #ffffff; }
.head { font-size: 19px; font-weight: 600; fill: #1c2430; }
.sub { font-size: 13px; fill: #5b6675; }
.title { font-size: 13.5px; font-weight: 600; fill: #1c2430; }
.tick, .axisname { fill: #5b6675; }
.note { font-size: 13px; font-weight: 600; }
.grid { stroke: #e6e9ee; }
.axis { stroke: #98a2b0; }
.mark { stroke: #5b6675; stroke-width: 1.4; stroke-dasharray: 5 4; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.area { fill-opacity: .12; }
.line.speed { stroke: #0b6bcb; } .area.speed, .note.speed { fill: #0b6bcb; }
.line.total { stroke: #8347c9; } .area.total, .note.total { fill: #8347c9; }
.line.longest { stroke: #137a50; } .area.longest, .note.longest { fill: #137a50; }
@media (prefers-color-scheme: dark) {
.ground { fill: #12161d; }
.head, .title { fill: #e8ecf2; }
.sub, .tick, .axisname { fill: #9aa5b4; }
.grid { stroke: #262d38; }
.axis { stroke: #5b6675; }
.mark { stroke: #9aa5b4; }
.line.speed { stroke: #5eaeff; } .area.speed, .note.speed { fill: #5eaeff; }
.line.total { stroke: #bd93f0; } .area.total, .note.total { fill: #bd93f0; }
.line.longest { stroke: #4fc68f; } .area.longest, .note.longest { fill: #4fc68f; }
}
</style>`;
