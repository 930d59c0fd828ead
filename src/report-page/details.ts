/** One row in full, in a dialog. */
class Details {
  readonly #dialog = byId<HTMLDialogElement>('details');
  readonly #job: ReportJob;

  /** @param step shows the row before or after this one in the table. @param closed gives focus back. */
  constructor(job: ReportJob, step: (by: number) => void, closed: () => void) {
    this.#job = job;
    onClick('previous', () => step(-1));
    onClick('next', () => step(1));
    onClick('close', () => this.#dialog.close());
    this.#dialog.addEventListener('close', closed);
    this.#dialog.addEventListener('click', (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
  }

  show(row: ReportRow): void {
    byId('details-title').textContent = lineText(row.id, 120);
    const body = byId('details-body');
    body.replaceChildren(this.#facts(row));
    const runs = row.runs ?? 0;
    const texts: [string, string | undefined][] = [
      ['Error', row.error],
      ['Result', row.result === undefined ? undefined : prettyJson(row.result)],
      ['Input', row.input === undefined ? undefined : prettyJson(row.input)],
      [runs > 1 ? `Log, last of ${runs} runs` : 'Log', row.log],
    ];
    for (const [name, text] of texts) {
      if (text === undefined) continue;
      const attributes = { tabindex: '0', role: 'region', 'aria-label': name };
      body.append(make('h3', {}, name), make('pre', attributes, visible(text)));
    }
    if (row.clipped) {
      const where = `agent-jobs logs ${this.#job.job_id} ITEM and the output have the whole`;
      body.append(make('p', { class: 'muted' }, `Shortened here: ${where}.`));
    }
    body.scrollTop = 0;
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  #facts(row: ReportRow): HTMLElement {
    const ms = rowMs(row, this.#job.written);
    const facts: [string, string | undefined][] = [
      ['Status', row.status],
      ['Reason', row.reason === undefined ? undefined : failureName(row)],
      ['Row', String(row.n + 1)],
      ['Attempts', row.attempts === 0 ? undefined : String(row.attempts)],
      ['Started', row.start === undefined ? undefined : timeText(row.start)],
      ['Ended', row.end === undefined ? undefined : timeText(row.end)],
      ['Time', ms === undefined ? undefined : durationText(ms)],
      ['Tokens', row.tokens === undefined ? undefined : countText(row.tokens)],
      ['Cost', row.cost === undefined ? undefined : costText(row.cost)],
    ];
    const list = make('dl', { class: 'facts' });
    for (const [name, value] of facts) {
      if (value === undefined) continue;
      list.append(make('div', {}, make('dt', {}, name), make('dd', {}, value)));
    }
    return list;
  }
}
