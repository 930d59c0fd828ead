/** Each row as a bar from its start to its end, in as many lanes as rows ran at once. */
interface Bar {
  row: ReportRow;
  lane: number;
  start: number;
  end: number;
}

const MAX_TIMELINE_HEIGHT = 340;
const AXIS_HEIGHT = 22;

function barsOf(rows: ReportRow[], now: number): { bars: Bar[]; lanes: number } {
  const bars: Bar[] = [];
  for (const row of rows) {
    const end = row.status === 'running' ? now : row.end;
    if (end !== undefined) {
      bars.push({ row, lane: 0, start: Math.min(row.start ?? end, end), end });
    }
  }
  bars.sort((a, b) => a.start - b.start);
  const ends: number[] = [];
  for (const bar of bars) {
    const free = ends.findIndex((end) => end <= bar.start);
    bar.lane = free === -1 ? ends.length : free;
    ends[bar.lane] = bar.end;
  }
  return { bars, lanes: ends.length };
}

function showTimeline(job: ReportJob, rows: ReportRow[], open: (row: ReportRow) => void): void {
  const { bars, lanes } = barsOf(rows, job.written);
  const canvas = byId<HTMLCanvasElement>('timeline');
  if (bars.length === 0) {
    byId('timeline-note').textContent = 'no row has begun';
    canvas.closest('section')!.hidden = true;
    return;
  }
  const whole = {
    from: bars[0]!.start,
    to: bars.reduce((last, { end }) => Math.max(last, end), 0),
  };
  whole.to = Math.max(whole.to, whole.from + 1);
  let view = { ...whole };
  const laneHeight = Math.min(16, Math.max(1, (MAX_TIMELINE_HEIGHT - AXIS_HEIGHT) / lanes));
  const height = Math.max(64, Math.ceil(lanes * laneHeight) + AXIS_HEIGHT);
  const known = bars.filter(({ row }) => row.start !== undefined).length;
  byId('timeline-note').textContent =
    known === bars.length
      ? `${rowsText(bars.length)} in ${countText(lanes)} ${lanes === 1 ? 'lane' : 'lanes'}; drag over a part to enlarge it`
      : `when ${rowsText(bars.length - known)} started is not known any more: shown where they ended`;
  canvas.setAttribute(
    'aria-label',
    `Timeline of ${rowsText(bars.length)} over ${durationText(whole.to - whole.from)}, ${countText(lanes)} at once at most. The table of rows has the same times.`,
  );
  canvas.style.height = `${height}px`;

  const paint = () => {
    const width = canvas.clientWidth;
    const density = window.devicePixelRatio;
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    const context = canvas.getContext('2d')!;
    context.scale(density, density);
    const styles = getComputedStyle(document.documentElement);
    const color = (name: string) => styles.getPropertyValue(`--${name}`).trim();
    const xOf = (time: number) => ((time - view.from) / (view.to - view.from)) * width;
    const bottom = height - AXIS_HEIGHT;
    context.font = '11px system-ui, sans-serif';
    const step = stepOf(view.to - view.from, Math.max(2, Math.floor(width / 90)));
    const first = Math.ceil((view.from - whole.from) / step) * step;
    for (let at = first; at <= view.to - whole.from; at += step) {
      const x = xOf(whole.from + at);
      context.fillStyle = color('line');
      context.fillRect(Math.round(x), 0, 1, bottom + 4);
      context.fillStyle = color('muted');
      const label = durationText(at);
      const room = width - context.measureText(label).width - 2;
      context.fillText(label, Math.min(x + 3, room), height - 7);
    }
    const gap = laneHeight >= 5 ? 1.5 : 0;
    // Failures last, so that none is hidden under its neighbours.
    for (const failures of [false, true]) {
      for (const { row, lane, start, end } of bars) {
        if ((row.status === 'failed') !== failures || end < view.from || start > view.to) continue;
        const x = xOf(start);
        const length = Math.max(gap === 0 ? 1 : 2, xOf(end) - x - (gap === 0 ? 0 : 1));
        context.fillStyle = color(row.status === 'completed' ? 'completed-fill' : row.status);
        context.fillRect(x, lane * laneHeight, length, Math.max(1, laneHeight - gap));
      }
    }
  };
  const look = (from: number, to: number) => {
    const span = Math.min(whole.to - whole.from, Math.max(1, to - from));
    const begin = Math.min(Math.max(from, whole.from), whole.to - span);
    view = { from: begin, to: begin + span };
    paint();
  };
  const zoom = (factor: number) => {
    const middle = (view.from + view.to) / 2;
    const half = ((view.to - view.from) * factor) / 2;
    look(middle - half, middle + half);
  };
  const move = (share: number) => {
    const by = (view.to - view.from) * share;
    look(view.from + by, view.to + by);
  };
  onClick('zoom-in', () => zoom(0.5));
  onClick('zoom-out', () => zoom(2));
  onClick('earlier', () => move(-0.5));
  onClick('later', () => move(0.5));
  onClick('zoom-all', () => look(whole.from, whole.to));

  const timeAt = (x: number) => view.from + (x / canvas.clientWidth) * (view.to - view.from);
  const barAt = (x: number, y: number): Bar | undefined => {
    const lane = Math.floor(y / laneHeight);
    const [from, to] = [timeAt(x - 2), timeAt(x + 2)];
    const hit = bars.filter((bar) => bar.lane === lane && bar.start <= to && bar.end >= from);
    return hit.find(({ row }) => row.status === 'failed') ?? hit[0];
  };
  const tip = byId('tip');
  let pressed: number | undefined;
  canvas.addEventListener('pointerdown', (event) => {
    pressed = event.offsetX;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointerup', (event) => {
    const from = pressed ?? event.offsetX;
    pressed = undefined;
    if (Math.abs(event.offsetX - from) > 6) {
      look(timeAt(Math.min(from, event.offsetX)), timeAt(Math.max(from, event.offsetX)));
      return;
    }
    const bar = barAt(event.offsetX, event.offsetY);
    if (bar !== undefined) open(bar.row);
  });
  canvas.addEventListener('pointerleave', () => (tip.hidden = true));
  canvas.addEventListener('pointermove', (event) => {
    const bar = barAt(event.offsetX, event.offsetY);
    tip.hidden = bar === undefined;
    canvas.style.cursor = bar === undefined ? 'crosshair' : 'pointer';
    if (bar === undefined) return;
    const { row } = bar;
    const ms = rowMs(row, job.written);
    const took = ms === undefined ? '' : `, ${durationText(ms)}`;
    const why = row.reason === undefined ? '' : ` (${row.reason})`;
    tip.textContent = `${lineText(row.id, 60)}: ${row.status}${why}${took}`;
    tip.style.left = `${Math.min(event.clientX + 12, window.innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${event.clientY + 14}px`;
  });
  new ResizeObserver(paint).observe(canvas);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint);
}
