/** Rows that fail until they are mended, for jobs that follow each other. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobHandle, JobSpec } from '../../src/client.js';
import type { Site } from './site.js';

/**
 * Reports unless a file says that its row is to fail, and notes that it was started. Arguments: the folder of
 * these files, and what it is called.
 */
const AGENT_SOURCE = `
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
const [folder, name] = process.argv.slice(2);
const row = JSON.parse(readFileSync(process.env.AGENT_JOBS_ROW_FILE, 'utf8'));
appendFileSync(folder + '/starts', row.id + '\\n');
console.log(name + ' works on ' + row.id);
if (existsSync(folder + '/hangs-' + row.id)) await new Promise(() => setInterval(() => {}, 60_000));
if (existsSync(folder + '/fails-' + row.id)) process.exit(1);
const result = { by: name, text: row.text, more: 'x'.repeat(Number(row.size)) };
await fetch(process.env.AGENT_JOBS_REPORT_URL, {
  method: 'POST',
  headers: { authorization: 'Bearer ' + process.env.AGENT_JOBS_REPORT_TOKEN },
  body: JSON.stringify({ result, ...(existsSync(folder + '/stops-' + row.id) && { stop: true }) }),
});
`;

/** An input of rows a–e, of which `e` has a result too large to be inline, in a folder of its own. */
export class Workshop {
  readonly #site: Site;
  readonly folder: string;
  readonly input: string;

  static async open(site: Site, extension = 'csv'): Promise<Workshop> {
    const workshop = new Workshop(site, await mkdtemp(join(site.folder, 'workshop-')), extension);
    const rows = ['a', 'b', 'c', 'd', 'e'].map((id) => ({
      id,
      text: `row ${id}`,
      team: id < 'c' ? 'x' : 'y',
      size: id === 'e' ? '9000' : '1',
    }));
    const text =
      extension === 'csv'
        ? ['id,text,team,size', ...rows.map((row) => Object.values(row).join())].join('\n')
        : rows.map((row) => JSON.stringify(row)).join('\n');
    await writeFile(workshop.input, text);
    await writeFile(join(workshop.folder, 'agent.mjs'), AGENT_SOURCE);
    return workshop;
  }

  private constructor(site: Site, folder: string, extension: string) {
    this.#site = site;
    this.folder = folder;
    this.input = join(folder, `in.${extension}`);
  }

  agent(name = 'first'): JobSpec['agent'] {
    return { command: this.command(name) };
  }

  command(name: string): string[] {
    return [process.execPath, join(this.folder, 'agent.mjs'), this.folder, name];
  }

  spec(spec: Partial<JobSpec> = {}): JobSpec {
    return {
      csv_path: this.input,
      instruction: 'Do {text}',
      id_column: 'id',
      agent: this.agent(),
      report_grace_seconds: 0,
      ...spec,
    };
  }

  /** `fails`, `hangs` or `stops`, from now on. */
  async make(what: string, ...ids: string[]): Promise<void> {
    for (const id of ids) await writeFile(join(this.folder, `${what}-${id}`), '');
  }

  async mend(what: string, ...ids: string[]): Promise<void> {
    for (const id of ids) await rm(join(this.folder, `${what}-${id}`));
  }

  /** The rows whose agents were started since the last call, sorted. */
  async starts(): Promise<string> {
    const file = join(this.folder, 'starts');
    const text = await readFile(file, 'utf8').catch(() => '');
    await rm(file, { force: true });
    return text.split('\n').toSorted().join('');
  }

  async run(spec: Partial<JobSpec> = {}): Promise<JobHandle> {
    const job = await this.#site.jobs.start(this.spec(spec));
    await job.result();
    return job;
  }
}
