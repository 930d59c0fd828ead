/** The page of a job, in a real browser. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { stringify } from 'csv-stringify/sync';
import type { Browser, Page } from 'playwright-core';
import { htmlPage } from '../src/output/html-page.js';
import { writeWhole } from '../src/output/output-file.js';
import { PageBudget } from '../src/output/page-budget.js';
import type { ReportRow } from '../src/report-page/shape.js';
import { chromiumPath, openBrowser, openPage } from './support/browser.js';
import { cli } from './support/cli.js';
import { generatedJob } from './support/report-rows.js';
import { AGENT, Site, type Step, until } from './support/site.js';

const skip = chromiumPath() === undefined && 'Chromium is not installed';

/** Each would do something if it were read as HTML, as script, or as the end of the page's data. */
const HOSTILE = [
  '</script><script>alert(1)</script>',
  '<!-- <script> -->',
  '<img src=x onerror=alert(1)>',
  '<svg/onload=alert(1)>',
  'javascript:alert(1)',
  '"\'><b id=injected>x</b>',
  ']]></style></textarea></title>',
  '&lt;b&gt;&#0;&amp;',
  'line\u2028separator\u2029paragraph',
  'nul\u0000bell\u0007escape\u001b[31m',
  'lone \ud800 surrogates \udc00',
  'turned \u202eesrever\u202c',
  '${alert(1)} `%DATA%` $& %SCRIPT%',
  '__proto__',
].join(' ¦ ');

let site: Site;
let browser: Browser;
before(async () => {
  site = await Site.open();
  await site.worker();
  if (!skip) browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await site.close();
});

const found = (page: Page, text: string) =>
  until(text, async () => (await page.locator('#found').textContent()) === text);
const rowsOf = (page: Page) =>
  page
    .getByRole('grid')
    .getByRole('row')
    .filter({ has: page.getByRole('gridcell') });

/** A page of rows as the job would have them. */
async function generated(folder: string, rows: ReportRow[]): Promise<string> {
  const { job } = generatedJob(1, 1);
  const path = join(folder, `${rows.length}.html`);
  await writeWhole(
    path,
    htmlPage({ ...job, total: rows.length }, Readable.from(rows) as AsyncIterable<ReportRow>),
  );
  return path;
}

describe('the page of a job', { skip }, () => {
  let path: string;
  before(async () => {
    const { csv_path } = await site.spec({});
    const lines: [string, string, Step[]][] = [
      [
        'a',
        'plain',
        [
          ['out', 'first line'],
          ['report', { team: 'billing' }],
        ],
      ],
      [
        'b',
        'fails',
        [
          ['err', 'no ink'],
          ['exit', 3],
        ],
      ],
      ['c', 'silent', [['out', 'said nothing']]],
      [
        HOSTILE,
        HOSTILE,
        [
          ['out', HOSTILE],
          ['report', { [HOSTILE]: HOSTILE }],
        ],
      ],
      [
        '<b>e</b>',
        HOSTILE,
        [
          ['err', HOSTILE],
          ['exit', 4],
        ],
      ],
    ];
    const cells = lines.map(([id, text, steps]) => [id, text, JSON.stringify(steps)]);
    await writeFile(csv_path, stringify([['id', 'text', 'steps'], ...cells]));
    const job = await site.jobs.start(
      {
        csv_path,
        instruction: '{steps}',
        id_column: 'id',
        agent: { command: AGENT },
        report_grace_seconds: 1,
      },
      { jobId: 'page' },
    );
    await job.result();
    path = join(site.folder, 'page.html');
    const { code, stdout, stderr } = await cli(['report-html', 'page', '-o', 'page.html'], {
      env: site.processEnv,
      cwd: site.folder,
    });
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `${path}\n`);
  });

  it('shows the verdict, the failures by reason and each row with its log', async () => {
    const { page, faults, context } = await openPage(browser, pathToFileURL(path).href);
    assert.equal(await page.title(), 'page: partial');
    assert.equal(await page.locator('#verdict').textContent(), 'partial');
    await found(page, '5 rows');
    await page.getByRole('img', { name: /^Of 5 rows: 2 completed, 3 failed$/ }).waitFor();
    await page.getByRole('img', { name: /^Timeline of 5 rows over / }).waitFor();
    await page.getByRole('img', { name: /^Rows ended over time, / }).waitFor();
    await page.getByRole('img', { name: /^Rows by the time they took: median / }).waitFor();
    const groups = page.locator('#failures').getByRole('button');
    assert.equal(await groups.count(), 2);
    await groups.filter({ hasText: 'no_report' }).click();
    await found(page, '1 of 5 rows');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'c' });
    await dialog.getByRole('region', { name: 'Log' }).filter({ hasText: 'said nothing' }).waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Show not only no_report' }).click();
    await found(page, '5 rows');
    assert.deepEqual(faults, []);
    await context.close();
  });

  it('shows hostile texts as they are, and does nothing that they say', async () => {
    const { page, faults, context } = await openPage(browser, pathToFileURL(path).href);
    assert.equal(await page.locator('#injected, #grid img, #details img, #grid b').count(), 0);
    await page.keyboard.press('/');
    await page.keyboard.type('<svg/onload=alert(1)>');
    await found(page, '2 of 5 rows');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    const result = await dialog.getByRole('region', { name: 'Result' }).textContent();
    const [[name, value]] = Object.entries(JSON.parse(result!) as object) as [[string, string]];
    for (const part of HOSTILE.split(' ¦ ').slice(0, 7)) {
      assert.ok(name.includes(part) && value.includes(part), `${part} is not in ${result}`);
    }
    const log = await dialog.getByRole('region', { name: 'Log' }).textContent();
    assert.match(log!, /<img src=x onerror=alert\(1\)>/);
    assert.match(log!, /nul\ufffdbell\ufffdescape/, 'what cannot be seen is marked');
    assert.equal(await page.locator('#injected, #details img, #details svg').count(), 0);
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByRole('dialog', { name: '<b>e</b>' }).waitFor();
    assert.deepEqual(faults, []);
    // Even if something came through: the policy would not run it.
    const ran = await page.evaluate(`(() => {
      const script = document.createElement('script');
      try {
        script.textContent = 'window.ran = true';
      } catch {
        return 'refused';
      }
      document.body.append(script);
      return 'ran' in window;
    })()`);
    assert.equal(ran, 'refused');
    await context.close();
  });

  it('is used by keyboard alone', async () => {
    const { page, faults, context } = await openPage(browser, pathToFileURL(path).href);
    await page.keyboard.press('/');
    assert.equal(await page.evaluate('document.activeElement.id'), 'search');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    const focused = page.locator('#grid-body [role=row]:focus');
    assert.equal(await focused.getByRole('gridcell').nth(1).textContent(), 'b');
    assert.equal(
      await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'),
      'solid',
    );
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'b' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    assert.equal(await focused.getByRole('gridcell').nth(1).textContent(), 'b');
    await page.keyboard.press('End');
    assert.equal(await focused.getByRole('gridcell').nth(1).textContent(), '<b>e</b>');
    // Everything that can be reached has a name.
    const nameless = await page.evaluate(`
      [...document.querySelectorAll('button, input, select, [role=img], canvas')]
        .filter((element) => element.offsetParent !== null)
        .filter((element) => {
          const label = element.getAttribute('aria-label') ?? element.textContent;
          return !label.trim() && !element.labels?.length;
        })
        .map((element) => element.outerHTML)`);
    assert.deepEqual(nameless, []);
    assert.deepEqual(faults, []);
    await context.close();
  });

  it('replaces its own page and no other file', async () => {
    const write = (output: string, ...more: string[]) =>
      cli(['report-html', 'page', '-o', output, ...more], {
        env: site.processEnv,
        cwd: site.folder,
      });
    assert.equal((await write('page.html')).code, 0);
    await writeFile(join(site.folder, 'mine.html'), '<p>mine');
    const refused = await write('mine.html');
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /mine\.html is there already: .*--overwrite/);
    assert.equal(await readFile(join(site.folder, 'mine.html'), 'utf8'), '<p>mine');
    assert.equal((await write('mine.html', '--overwrite')).code, 0);
    assert.equal((await write('page.csv')).code, 2);
    const names = await readdir(site.folder);
    assert.deepEqual(
      names.filter((name) => name.endsWith('.tmp')),
      [],
    );
  });
});

test('the page of a job that runs', { skip }, async () => {
  const go = join(site.folder, 'go');
  const waiting: Step[] = [
    ['wait-for', go],
    ['report', 1],
  ];
  const spec = await site.spec(
    { a: [['report', 1]], b: waiting, c: waiting },
    { max_concurrency: 1 },
  );
  const job = await site.jobs.start(spec, { jobId: 'runs' });
  await until('b runs', async () => {
    const { completed, running } = await job.status();
    return completed === 1 && running === 1;
  });
  // One that is asked for counts as running before the server lists it.
  await until('b is listed', async () => {
    for await (const { item_id } of job.items('running')) return item_id;
    return false;
  });
  const path = join(site.folder, 'runs.html');
  await job.reportHtml(path);
  const { page, faults, context } = await openPage(browser, pathToFileURL(path).href);
  assert.equal(await page.locator('#verdict').textContent(), 'running');
  await page.getByRole('img', { name: 'Of 3 rows: 1 completed, 1 running, 1 pending' }).waitFor();
  const statuses = await rowsOf(page).locator('.status').allTextContents();
  assert.deepEqual(statuses, ['completed', 'running', 'pending']);
  assert.deepEqual(faults, []);
  await context.close();
  await writeFile(go, '');
  await job.result();
});

test('10,000 rows: all are found, few are elements', { skip }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'agent-jobs-page-'));
  try {
    const path = await generated(folder, generatedJob(10_000, 64).rows);
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page, faults, context } = await openPage(browser, pathToFileURL(path).href, {
        colorScheme,
      });
      await found(page, '10,000 rows');
      assert.equal(await page.getByRole('grid').getAttribute('aria-rowcount'), '10001');
      assert.ok((await rowsOf(page).count()) < 100);
      await page.locator('#grid-body').evaluate((body) => body.scrollTo(0, body.scrollHeight));
      await page.getByRole('gridcell', { name: 'T-20000', exact: true }).waitFor();
      await page.getByRole('searchbox').fill('t-17777');
      await found(page, '1 of 10,000 rows');
      await page.getByRole('searchbox').fill('');
      await page.getByRole('columnheader', { name: 'Time' }).getByRole('button').click();
      await page.getByRole('columnheader', { name: 'Time' }).getByRole('button').click();
      const longest = rowsOf(page).first().getByRole('gridcell').nth(4);
      await until('the longest is first', async () => (await longest.textContent()) === '2 min');
      const colors = (await page.evaluate(`(() => {
        const canvas = document.getElementById('timeline');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const seen = new Set();
        for (let at = 0; at < data.length; at += 4) seen.add(data.slice(at, at + 3).join());
        return [...seen];
      })()`)) as string[];
      const [completed, failed] =
        colorScheme === 'light' ? ['116,189,155', '200,55,47'] : ['47,122,88', '242,112,106'];
      assert.ok(colors.includes(completed) && colors.includes(failed), 'bars of both colours');
      assert.deepEqual(faults, []);
      await context.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('a page has a size: long texts are shortened, and it says so', { skip }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'agent-jobs-page-'));
  try {
    const { job, rows } = generatedJob(20_000, 64);
    // The worst that can be: each of these characters is written as six.
    const long = '\u0001<é'.repeat(4000);
    const path = join(folder, 'long.html');
    const longRows = rows.map((row): ReportRow => ({ ...row, log: `${long}END`, input: long }));
    await writeWhole(path, htmlPage(job, Readable.from(longRows) as AsyncIterable<ReportRow>));
    const { size } = await stat(path);
    assert.ok(size < 50e6, `${size} bytes`);
    assert.ok(size > 20e6, `${size} bytes: the room is used`);
    const { page, faults, context } = await openPage(browser, pathToFileURL(path).href);
    await page.getByText('Long texts of 20,000 rows are shortened').waitFor();
    await rowsOf(page).first().click();
    const log = await page.getByRole('region', { name: 'Log' }).textContent();
    assert.match(log!, /END$/, 'of a log, the end is kept');
    assert.deepEqual(faults, []);
    await context.close();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('a page of rows whose starts the server has forgotten', { skip }, async () => {
  const { job, rows } = generatedJob(20, 4);
  for (const row of rows) delete row.start;
  const path = join(site.folder, 'forgotten.html');
  await writeWhole(path, htmlPage(job, Readable.from(rows) as AsyncIterable<ReportRow>));
  const { page, faults, context } = await openPage(browser, pathToFileURL(path).href);
  await page.getByText('when 20 rows started is not known any more').waitFor();
  await page.getByRole('img', { name: /^Rows ended over time/ }).waitFor();
  assert.equal(await page.locator('#latency-note').textContent(), 'not known');
  assert.deepEqual(faults, []);
  await context.close();
});

test('rows that do not fit are left out, and the page says so', { skip }, async () => {
  const { job, rows } = generatedJob(1000, 8);
  const chunks: string[] = [];
  const budget = new PageBudget(job.total, 60_000);
  for await (const chunk of htmlPage(
    job,
    Readable.from(rows) as AsyncIterable<ReportRow>,
    budget,
  )) {
    chunks.push(chunk);
  }
  const path = join(site.folder, 'few.html');
  await writeFile(path, chunks.join(''));
  const { page, faults, context } = await openPage(browser, pathToFileURL(path).href);
  await page.getByText(/^To keep the page small, it has the first \d+ of 1,000 rows;/).waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});
