/** Failed rows by reason, and by what the agent's output tells of it. */
interface FailureGroup {
  name: string;
  rows: ReportRow[];
}

function failureName({ reason, class: cause }: ReportRow): string {
  return cause === undefined ? (reason ?? 'failed') : `${reason}: ${cause}`;
}

function failureGroups(rows: ReportRow[]): FailureGroup[] {
  const groups = new Map<string, FailureGroup>();
  for (const row of rows) {
    if (row.status !== 'failed') continue;
    const name = failureName(row);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, { name, rows: [row] });
    else group.rows.push(row);
  }
  return [...groups.values()].sort((a, b) => b.rows.length - a.rows.length);
}

const MEANINGS: Record<string, string> = {
  no_report: 'the agent ended well and never reported',
  timed_out: 'it was still running, or silent, at its deadline',
  agent_error: 'it ended badly, or could not be started',
  invalid_report: 'it ended, and all that it reported was refused',
  worker_lost: 'its worker was lost too often',
};

function showFailures(rows: ReportRow[], choose: (name: string) => void): void {
  const groups = failureGroups(rows);
  byId('failures-section').hidden = groups.length === 0;
  const most = groups[0]?.rows.length ?? 1;
  for (const { name, rows } of groups) {
    const bar = make('span', { class: 'share', 'aria-hidden': 'true' });
    bar.style.width = `${Math.max(1, (50 * rows.length) / most)}%`;
    const sample = rows[0]!;
    const button = make(
      'button',
      { type: 'button' },
      make('span', { class: 'count' }, countText(rows.length)),
      make(
        'span',
        { class: 'why' },
        make('b', {}, name),
        make('span', { class: 'muted' }, ` ${MEANINGS[sample.reason ?? ''] ?? ''}`),
        bar,
        make(
          'span',
          { class: 'sample' },
          `${lineText(sample.id, 60)}: ${lineText(sample.error ?? '')}`,
        ),
      ),
    );
    button.addEventListener('click', () => choose(name));
    byId('failures').append(make('li', {}, button));
  }
}
