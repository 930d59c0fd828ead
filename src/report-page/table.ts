/** The rows, of which only those in view are elements: as many as there are scroll as well. */
interface Column {
  name: string;
  /** The value to sort by. */
  key: (row: ReportRow) => string | number;
  text: (row: ReportRow) => string;
  class: string;
}

const ROW_HEIGHT = 32;
/** Rows kept beyond the edges, for the time that drawing takes. */
const MARGIN_ROWS = 8;

class RowTable {
  readonly #rows: ReportRow[];
  readonly #columns: Column[];
  readonly #open: (row: ReportRow) => void;
  readonly #body = byId('grid-body');
  readonly #space = make('div', { class: 'space', role: 'presentation' });
  /** Elements by place in {@link #shown}. */
  readonly #elements = new Map<number, HTMLElement>();
  readonly #haystacks: string[] = [];
  #shown: ReportRow[] = [];
  /** The place that has, or gets, the focus. */
  #active = 0;
  #sort: { column: Column; down: boolean };
  #chosen: string | undefined;

  constructor(job: ReportJob, rows: ReportRow[], open: (row: ReportRow) => void) {
    this.#rows = rows;
    this.#columns = columnsOf(job, rows);
    this.#sort = { column: this.#columns[0]!, down: false };
    this.#open = open;
    this.#body.append(this.#space);
    this.#addHead();
    this.#addControls();
    this.#body.addEventListener('scroll', () => this.#render(), { passive: true });
    this.#body.addEventListener('keydown', (event) => this.#key(event));
    new ResizeObserver(() => this.#render()).observe(this.#body);
    this.#select();
  }

  /** Shows only the failures of one kind, or all rows again. */
  choose(name: string | undefined): void {
    this.#chosen = name;
    const button = byId('chosen');
    button.hidden = name === undefined;
    button.textContent = name === undefined ? '' : `${name} ✕`;
    button.setAttribute('aria-label', `Show not only ${name ?? ''}`);
    this.#select();
    if (name === undefined) return;
    byId('rows-title').scrollIntoView();
    this.focus();
  }

  /** The row before or after the active one. */
  step(by: number): ReportRow | undefined {
    const place = this.#active + by;
    if (place >= 0 && place < this.#shown.length) this.#activate(place);
    return this.#shown[this.#active];
  }

  /** Makes a row the active one, if it is among those shown. */
  select(row: ReportRow): void {
    const place = this.#shown.indexOf(row);
    if (place !== -1) this.#activate(place);
  }

  focus(): void {
    this.#elements.get(this.#active)?.focus({ preventScroll: true });
  }

  #addHead(): void {
    const head = make('div', { role: 'row', class: 'row head', 'aria-rowindex': '1' });
    for (const column of this.#columns) {
      const button = make('button', { type: 'button' }, column.name);
      const cell = make('div', { role: 'columnheader', class: column.class }, button);
      button.addEventListener('click', () => {
        const down = this.#sort.column === column && !this.#sort.down;
        this.#sort = { column, down };
        this.#select();
      });
      head.append(cell);
    }
    byId('grid-head').append(head);
  }

  #addControls(): void {
    const status = byId<HTMLSelectElement>('status');
    status.append(make('option', { value: '' }, 'all'));
    for (const name of STATUSES) {
      if (this.#rows.some((row) => row.status === name)) {
        status.append(make('option', { value: name }, name));
      }
    }
    status.addEventListener('change', () => this.#select());
    onClick('chosen', () => {
      this.choose(undefined);
      byId('search').focus();
    });
    const search = byId<HTMLInputElement>('search');
    search.addEventListener('input', () => this.#select());
    search.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== 'ArrowDown') return;
      event.preventDefault();
      this.#activate(0);
      this.focus();
    });
    document.addEventListener('keydown', (event) => {
      const { target } = event;
      const typing = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
      if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (byId<HTMLDialogElement>('details').open) return;
      event.preventDefault();
      search.focus();
      search.select();
    });
  }

  /** Finds and sorts what is to be shown. */
  #select(): void {
    const wanted = byId<HTMLInputElement>('search').value.trim().toLowerCase();
    const status = byId<HTMLSelectElement>('status').value;
    this.#shown = this.#rows.filter((row, place) => {
      if (status !== '' && row.status !== status) return false;
      if (this.#chosen !== undefined) {
        if (row.status !== 'failed' || failureName(row) !== this.#chosen) return false;
      }
      return wanted === '' || this.#haystack(row, place).includes(wanted);
    });
    const { column, down } = this.#sort;
    this.#shown.sort((a, b) => {
      const [x, y] = [column.key(a), column.key(b)];
      const order = x < y ? -1 : x > y ? 1 : a.n - b.n;
      return down ? -order : order;
    });
    [...byId('grid-head').querySelectorAll('[role=columnheader]')].forEach((cell, index) => {
      const sorted = this.#columns[index] === column;
      cell.setAttribute('aria-sort', sorted ? (down ? 'descending' : 'ascending') : 'none');
    });
    byId('found').textContent =
      this.#shown.length === this.#rows.length
        ? rowsText(this.#rows.length)
        : `${countText(this.#shown.length)} of ${rowsText(this.#rows.length)}`;
    byId('grid').setAttribute('aria-rowcount', String(this.#shown.length + 1));
    this.#space.style.height = `${this.#shown.length * ROW_HEIGHT}px`;
    this.#active = 0;
    this.#body.scrollTop = 0;
    this.#clear();
    this.#render();
  }

  #haystack(row: ReportRow, place: number): string {
    const { id, status, reason, class: cause, error, result, input, log } = row;
    return (this.#haystacks[place] ??= [id, status, reason, cause, error, result, input, log]
      .filter((text) => text !== undefined)
      .join('\n')
      .toLowerCase());
  }

  #clear(): void {
    for (const element of this.#elements.values()) element.remove();
    this.#elements.clear();
  }

  #render(): void {
    const { scrollTop, clientHeight } = this.#body;
    const first = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - MARGIN_ROWS);
    const end = Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) + MARGIN_ROWS;
    const last = Math.min(this.#shown.length, end) - 1;
    for (const [place, element] of this.#elements) {
      // The active row stays, so that scrolling does not take the focus away.
      if ((place >= first && place <= last) || place === this.#active) continue;
      element.remove();
      this.#elements.delete(place);
    }
    for (let place = first; place <= last; place += 1) this.#element(place);
    if (this.#shown.length > 0) this.#element(this.#active);
  }

  #element(place: number): void {
    if (this.#elements.has(place)) return;
    const row = this.#shown[place]!;
    const element = make('div', {
      role: 'row',
      class: 'row',
      'aria-rowindex': String(place + 2),
      tabindex: place === this.#active ? '0' : '-1',
    });
    for (const column of this.#columns) {
      const cell = make('div', { role: 'gridcell', class: column.class }, column.text(row));
      if (column.class === 'status') cell.classList.add(row.status);
      element.append(cell);
    }
    element.style.top = `${place * ROW_HEIGHT}px`;
    element.addEventListener('click', () => {
      this.#activate(place);
      this.#open(row);
    });
    this.#elements.set(place, element);
    this.#space.append(element);
  }

  #activate(place: number): void {
    if (this.#shown.length === 0) return;
    const before = this.#elements.get(this.#active);
    const focused = before !== undefined && before === document.activeElement;
    before?.setAttribute('tabindex', '-1');
    this.#active = Math.min(Math.max(0, place), this.#shown.length - 1);
    const top = this.#active * ROW_HEIGHT;
    const { scrollTop, clientHeight } = this.#body;
    if (top < scrollTop) this.#body.scrollTop = top;
    else if (top + ROW_HEIGHT > scrollTop + clientHeight) {
      this.#body.scrollTop = top + ROW_HEIGHT - clientHeight;
    }
    this.#render();
    this.#elements.get(this.#active)?.setAttribute('tabindex', '0');
    if (focused) this.focus();
  }

  #key(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.#body.clientHeight / ROW_HEIGHT) - 1);
    const places: Record<string, number> = {
      ArrowDown: this.#active + 1,
      ArrowUp: this.#active - 1,
      PageDown: this.#active + page,
      PageUp: this.#active - page,
      Home: 0,
      End: this.#shown.length - 1,
    };
    const place = places[event.key];
    const row = this.#shown[this.#active];
    if (place !== undefined) this.#activate(place);
    else if ((event.key === 'Enter' || event.key === ' ') && row !== undefined) this.#open(row);
    else return;
    event.preventDefault();
  }
}

function columnsOf(job: ReportJob, rows: ReportRow[]): Column[] {
  const ms = (row: ReportRow) => rowMs(row, job.written);
  const columns: Column[] = [
    { name: 'Row', class: 'number', key: (row) => row.n, text: (row) => String(row.n + 1) },
    { name: 'Item', class: 'item', key: (row) => row.id, text: (row) => lineText(row.id, 80) },
    { name: 'Status', class: 'status', key: (row) => row.status, text: (row) => row.status },
    {
      name: 'Tries',
      class: 'number',
      key: (row) => row.attempts,
      text: (row) => (row.attempts === 0 ? '' : String(row.attempts)),
    },
    {
      name: 'Time',
      class: 'time',
      key: (row) => ms(row) ?? -1,
      text: (row) => {
        const took = ms(row);
        return took === undefined ? '' : durationText(took);
      },
    },
  ];
  if (rows.some(({ cost }) => cost !== undefined)) {
    columns.push({
      name: 'Cost',
      class: 'time',
      key: (row) => row.cost ?? -1,
      text: ({ cost }) => (cost === undefined ? '' : costText(cost)),
    });
  }
  const said = (row: ReportRow) =>
    row.status === 'failed'
      ? `${failureName(row)}: ${row.error ?? ''}`
      : (row.result ?? row.error ?? '');
  columns.push({
    name: 'Result or error',
    class: 'said',
    key: said,
    text: (row) => lineText(said(row)),
  });
  return columns;
}
