/** What has been measured, kept as JSON, told as a table, and drawn. */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { format } from 'prettier';
import { temporalCli } from '../test/support/site.js';
import { type Curve, chart } from './chart.js';

/** In the order in which they are measured: what takes longest comes last. */
export const SECTIONS = [
  'throughput',
  'latency',
  'history',
  'at-once',
  'slots',
  'agent-slots',
  'codex',
  'growth',
] as const;
export type Section = (typeof SECTIONS)[number];

export interface Figure {
  what: string;
  target: string;
  value: number;
  /** What it was made of. */
  detail?: string;
}

interface Measured {
  /** ISO 8601. */
  at: string;
  machine: string;
  figures: Figure[];
  curve?: Curve;
  /** Why it is not complete. */
  failure?: string;
}

/** The results of the bench, in a folder. */
export class Results {
  readonly #folder: string | undefined;
  readonly #sections: Partial<Record<Section, Measured>>;

  /**
   * @param folder where they are written; undefined for nowhere.
   * @param kept whether what other runs have left there stays.
   */
  static async open(folder: string | undefined, kept: boolean): Promise<Results> {
    if (folder !== undefined) await mkdir(folder, { recursive: true });
    if (folder === undefined || !kept) return new Results(folder, {});
    const text = await readFile(join(folder, 'results.json'), 'utf8').catch(() => '{}');
    return new Results(folder, JSON.parse(text) as Partial<Record<Section, Measured>>);
  }

  private constructor(folder: string | undefined, sections: Partial<Record<Section, Measured>>) {
    this.#folder = folder;
    this.#sections = sections;
  }

  /** Keeps what a section has come to so far. */
  async keep(section: Section, measured: Pick<Measured, 'figures' | 'curve' | 'failure'>) {
    const at = new Date().toISOString();
    this.#sections[section] = { at, machine: machine(), ...measured };
    if (this.#folder === undefined) return;
    const curve = this.#sections.growth?.curve;
    const json = JSON.stringify(this.#sections, null, 1);
    await this.#write('results.json', await format(json, { parser: 'json' }));
    await this.#write('RESULTS.md', await this.text());
    if (curve) await this.#write('chart.svg', chart(curve));
  }

  /** All of them, as Markdown. */
  async text(): Promise<string> {
    const parts = SECTIONS.flatMap((section) => {
      const measured = this.#sections[section];
      return measured && measured.figures.length > 0 ? [told(section, measured)] : [];
    });
    const missing = SECTIONS.flatMap((section) => {
      const failure = this.#sections[section]?.failure;
      if (failure !== undefined) return [`- ${section}, wholly or in part: ${failure}`];
      return this.#sections[section] ? [] : [`- ${section}: not measured`];
    });
    const text = `# Figures

By \`npm run bench\`, on the dev server of \`temporal-dev.sh\`. Each is the median of three measurements, or of as many as it
says; what is compared was measured in pairs, one after the other, in one run. “Bare minimum” is the parent, child,
activity, signal and timer of \`bench/bare\`, which validates nothing and keeps no results.

${parts.join('\n')}
${missing.length > 0 ? `## Missing\n\n${missing.join('\n')}\n` : ''}
${this.#sections.growth?.curve ? '![Rows per second and histories against rows](chart.svg)\n' : ''}`;
    return format(text, { parser: 'markdown' });
  }

  async #write(name: string, text: string): Promise<void> {
    await writeFile(join(this.#folder!, name), text);
  }
}

function told(section: Section, { at, machine, figures }: Measured): string {
  const rows = figures.map((figure) => `| ${figure.what} | ${figure.target} | ${shown(figure)} |`);
  return `## ${section}

${at.slice(0, 16).replace('T', ' ')} UTC; ${machine}

| what | target | measured |
| --- | --- | --- |
${rows.join('\n')}
`;
}

/** A figure and what it was made of. */
export function shown({ value, detail }: Figure): string {
  const text = Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1);
  return detail === undefined ? text : `${text} (${detail})`;
}

let described: string | undefined;
function machine(): string {
  return (described ??= [
    `${cpus().length} cores (${cpus()[0]!.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GB`,
    `Node ${process.versions.node}`,
    execFileSync(temporalCli(), ['--version'], { encoding: 'utf8' }).trim(),
  ].join('; '));
}
