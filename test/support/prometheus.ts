/** What a scrape of Prometheus would get, and what queries ask of it. */
import { parser } from '@prometheus-io/lezer-promql';

export interface Sample {
  name: string;
  labels: { [label: string]: string };
  value: number;
}

/** The samples at an address, as Prometheus reads them. */
export async function scrape(address: string): Promise<Sample[]> {
  const text = await (await fetch(`http://${address}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line)!;
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
      return {
        name: name!,
        labels: Object.fromEntries(pairs.map(([, label, text]) => [label!, text!])),
        value: Number(value),
      };
    });
}

/** The sum over all samples of a name that have these labels. */
export function total(
  samples: Sample[],
  name: string,
  labels: { [label: string]: string },
): number {
  return samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([key, text]) => sample.labels[key] === text))
    .reduce((sum, { value }) => sum + value, 0);
}

/** What a query selects, and by which labels it groups. @throws where it is no PromQL. */
export function readQuery(query: string): { selectors: Selector[]; grouping: string[] } {
  const selectors: Selector[] = [];
  const grouping: string[] = [];
  const text = ({ from, to }: { from: number; to: number }) => query.slice(from, to);
  parser.parse(query).iterate({
    enter(node) {
      if (node.type.isError) throw new Error(`no PromQL at ${node.from}: ${query}`);
      if (node.name === 'GroupingLabels') {
        grouping.push(...node.node.getChildren('LabelName').map(text));
      }
      if (node.name !== 'VectorSelector') return;
      const matchers = node.node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher');
      selectors.push({
        name: text(node.node.getChild('Identifier')!),
        matchers: (matchers ?? []).map((matcher) => ({
          label: text(matcher.getChild('LabelName')!),
          operator: text(matcher.getChild('MatchOp')!),
          value: JSON.parse(text(matcher.getChild('StringLiteral')!)) as string,
        })),
      });
    },
  });
  return { selectors, grouping };
}

export interface Selector {
  name: string;
  matchers: { label: string; operator: string; value: string }[];
}

/** Whether a query would find the sample. */
export function selects({ name, matchers }: Selector, sample: Sample): boolean {
  return (
    sample.name === name &&
    matchers.every(({ label, operator, value }) => {
      const found = sample.labels[label] ?? '';
      const equal = operator.endsWith('~')
        ? new RegExp(`^(?:${value})$`).test(found)
        : found === value;
      return equal === operator.startsWith('=');
    })
  );
}
