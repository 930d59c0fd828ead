/** What workers measure of rows, agents and reports, beside the SDK's own metrics and on the same address. */
import type { MetricCounter, MetricHistogram, MetricMeter } from '@temporalio/common';
import type { AgentSpec, RowOutcome, Usage } from './job.js';

/** Who works on rows, in a word: `codex`, `claude`, `command`, `external`, `activity`. */
type AgentLabel = string;

function agentLabel(agent: AgentSpec): AgentLabel {
  if ('preset' in agent) return agent.preset;
  return (['command', 'external', 'activity'] as const).find((kind) => kind in agent)!;
}

/** Why a report was refused: as its sender is told, or it could not even be read. */
type Refusal = 'invalid' | 'conflict' | 'undelivered' | 'unreadable';

/** Is told of the reports of a run. */
export interface ReportWatcher {
  /** @param seconds from the request to its answer. */
  accepted(seconds: number): void;
  refused(because: Refusal): void;
}

/** Upper bounds in seconds: agents take from moments to days, … */
const AGENT_SECONDS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400];
/** … reports some milliseconds, and as long as the server is away. */
const REPORT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 100];
/** In US dollars. */
const COST_USD = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 50];

/** For the SDK's exporter, which knows the bounds of a histogram by its name. */
export const HISTOGRAM_BOUNDS = {
  agent_jobs_agent_seconds: AGENT_SECONDS,
  agent_jobs_report_seconds: REPORT_SECONDS,
  agent_jobs_agent_cost_usd: COST_USD,
};

/** Labels have few values: no job, no item. Each fact is counted once, where it becomes final. */
export class Metrics {
  readonly #rows: MetricCounter;
  readonly #inFlight: { add(value: number, labels: { agent: AgentLabel }): void };
  readonly #seconds: MetricHistogram;
  readonly #reports: MetricHistogram;
  readonly #refused: MetricCounter;
  readonly #tokens: MetricCounter;
  readonly #cost: MetricHistogram;

  constructor(meter: MetricMeter) {
    this.#rows = meter.createCounter('agent_jobs_rows_ended', '', 'Rows that have ended');
    this.#inFlight = meter.createUpDownCounter!(
      'agent_jobs_agents_in_flight',
      '',
      'Agents that run on this worker',
    );
    const histogram = (name: keyof typeof HISTOGRAM_BOUNDS, description: string) =>
      meter.createHistogram(name, 'float', '', description);
    this.#seconds = histogram('agent_jobs_agent_seconds', 'Time of one run of an agent');
    this.#reports = histogram(
      'agent_jobs_report_seconds',
      'Time from the request of an accepted report to its answer',
    );
    this.#refused = meter.createCounter('agent_jobs_reports_refused', '', 'Reports refused');
    this.#tokens = meter.createCounter('agent_jobs_tokens', '', 'Tokens that agents have used');
    this.#cost = histogram('agent_jobs_agent_cost_usd', 'Price of one run of an agent, if told');
  }

  /** To be called once for each batch of outcomes. */
  rowsEnded(agent: AgentSpec, outcomes: RowOutcome[]): void {
    const label = agentLabel(agent);
    for (const [, outcome] of outcomes) {
      const failed = outcome.status === 'failed' ? outcome : undefined;
      this.#rows.add(1, {
        agent: label,
        outcome: outcome.status,
        reason: failed?.reason ?? '',
        failure_class: failed?.failure_class ?? '',
      });
      // Those of processes are counted by the endpoint that refuses them.
      const { refused_reports } = outcome;
      if (refused_reports !== undefined && ['external', 'activity'].includes(label)) {
        this.#refused.add(refused_reports, { agent: label, because: 'invalid' });
      }
    }
  }

  /** An agent has started. @returns what is to be called with how it ended and what it used. */
  agentStarts(agent: AgentSpec): (end: string, usage: Usage | undefined) => void {
    const labels = { agent: agentLabel(agent) };
    const start = performance.now();
    this.#inFlight.add(1, labels);
    return (end, usage) => {
      this.#inFlight.add(-1, labels);
      this.#seconds.record((performance.now() - start) / 1000, { ...labels, end });
      if (usage === undefined) return;
      const { input_tokens, cached_input_tokens, output_tokens, cost_usd } = usage;
      // A program may count in its own way, and a counter does not go back.
      this.#tokens.add(Math.max(0, input_tokens - cached_input_tokens), {
        ...labels,
        kind: 'input',
      });
      this.#tokens.add(cached_input_tokens, { ...labels, kind: 'cached_input' });
      this.#tokens.add(output_tokens, { ...labels, kind: 'output' });
      if (cost_usd !== undefined) this.#cost.record(cost_usd, labels);
    };
  }

  reportsOf(agent: AgentSpec): ReportWatcher {
    const labels = { agent: agentLabel(agent) };
    return {
      accepted: (seconds) => this.#reports.record(seconds, labels),
      refused: (because) => this.#refused.add(1, { ...labels, because }),
    };
  }
}
