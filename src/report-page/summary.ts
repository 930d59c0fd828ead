/** The head of the page: how the job ended, or stands. */
function showSummary(job: ReportJob, end: ReportEnd): void {
  document.title = `${job.job_id}: ${job.word}`;
  byId('title').textContent = job.job_id;
  const verdict = byId('verdict');
  verdict.textContent = job.word;
  verdict.classList.add(job.word);
  byId('times').textContent = timesText(job);
  showCounts(job);
  showFacts(job);
  byId('instruction').textContent = visible(job.instruction);
  const notices = noticesOf(job, end);
  byId('notices').append(...notices.map((text) => make('p', { class: 'notice' }, text)));
}

function timesText({ started, ended, written }: ReportJob): string {
  if (started === null) return `As of ${timeText(written)}`;
  const until = ended ?? written;
  const span = durationText(until - started);
  return ended === null
    ? `Started ${timeText(started)}; as of ${timeText(written)}, after ${span}`
    : `${timeText(started)} to ${timeText(ended)}: ${span}`;
}

function showCounts(job: ReportJob): void {
  const bar = byId('bar');
  const words: string[] = [];
  for (const status of STATUSES) {
    const count = job[status];
    if (count === null || (count === 0 && status !== 'completed')) continue;
    const part = make('span', { class: status });
    part.style.flexGrow = String(count);
    bar.append(part);
    const share = job.total === 0 ? '' : ` (${((100 * count) / job.total).toFixed(1)} %)`;
    words.push(`${countText(count)} ${status}`);
    const swatch = make('span', { class: `swatch ${status}`, 'aria-hidden': 'true' });
    const label = make('span', {}, make('b', {}, countText(count)), ` ${status}${share}`);
    byId('counts').append(make('li', {}, swatch, label));
  }
  bar.setAttribute('aria-label', `Of ${rowsText(job.total)}: ${words.join(', ')}`);
}

function showFacts(job: ReportJob): void {
  const facts: [string, string][] = [
    ['Rows', countText(job.total)],
    ['Agent', job.agent],
    ['At once', countText(job.max_concurrency)],
    ['Input', job.input],
  ];
  if (job.output !== null) facts.push(['Output', job.output]);
  if (job.usage !== null) {
    const { input_tokens, output_tokens, cost_usd } = job.usage;
    facts.push(['Tokens', `${countText(input_tokens)} in, ${countText(output_tokens)} out`]);
    if (cost_usd !== undefined) facts.push(['Cost', costText(cost_usd)]);
  }
  for (const [name, value] of facts) {
    byId('facts').append(make('div', {}, make('dt', {}, name), make('dd', {}, visible(value))));
  }
}

function noticesOf(job: ReportJob, { listed, clipped }: ReportEnd): string[] {
  const notices: string[] = [];
  if (job.reason !== null) notices.push(visible(job.reason));
  if (listed < job.total) {
    notices.push(
      `To keep the page small, it has the first ${countText(listed)} of ${rowsText(job.total)}; the numbers above are those of all.`,
    );
  }
  if (clipped > 0) {
    notices.push(`Long texts of ${rowsText(clipped)} are shortened: the output has all of them.`);
  }
  return notices;
}
