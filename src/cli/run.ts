import { randomUUID } from 'node:crypto';
import { type Command, Option } from 'commander';
import type { JobSpec } from '../client.js';
import {
  DEFAULT_LIMITS,
  DEFAULT_MAX_CONCURRENCY,
  ISOLATIONS,
  MAX_CONCURRENCY,
  MAX_KEYED_LIMITS,
  MAX_SETUP_SECONDS,
  MIN_FAILURE_SAMPLE,
  MAX_TEARDOWN_SECONDS,
  PRESETS,
  defaultOutputPath,
} from '../job.js';
import { EXIT, EXIT_CODES_HELP, UsageError, exitCodeOf } from './errors.js';
import { columnLimit, jobId, number, storeOption } from './arguments.js';
import { answer, answerJson, note } from './output.js';
import type { SpecOptions } from './read-spec.js';
import type { Connected } from './server.js';
import { rows } from './wording.js';

export interface RunOptions extends SpecOptions {
  jobId?: string;
  detach?: true;
  json?: true;
  local?: true;
  yes?: true;
}

const EXAMPLES = `
The agent runs once per row. With --agent, it is told how to report. A command gets the prompt on its
standard input, and in place of an argument that is exactly {prompt}; it reports with "agent-jobs
report", or by MCP or HTTP as its environment says.

Examples:
  agent-jobs run tickets.csv --local --instruction 'Classify: {text}' -- node agent.mjs
  agent-jobs run tickets.csv --local --instruction-file task.md --id-column id \\
    --output-schema label.json --output labels.csv --max-concurrency 8 --agent codex
  agent-jobs run files.csv --local --instruction 'Review {path}' --agent claude -- --model haiku
  agent-jobs run tickets.csv --instruction 'Review: {text}' --external --detach
${EXIT_CODES_HELP}`;

export function addRun(program: Command): void {
  const command = program
    .command('run')
    .summary('run a job: an agent for each row of a file')
    .description(
      'Runs an agent for each row of INPUT and writes a copy of it with what the agents reported.',
    )
    .usage('INPUT [options] (-- COMMAND [ARG…] | --agent NAME [-- ARG…] | --external)')
    .argument('<input>', 'CSV, or JSON Lines where the name ends in .jsonl or .ndjson')
    .argument(
      '[command...]',
      'the agent: program and arguments, no shell is involved; with --agent: more arguments for it',
    );
  startOptions(command)
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('The agent\'s command goes after "--". More: agent-jobs run --help')
    .action(run);
}

/** The options of commands that start a job. */
export function startOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--instruction <text>',
        'the task; {column} is replaced by the row’s cell',
      ).conflicts('instructionFile'),
    )
    .option('--instruction-file <file>', 'the task, from a file')
    .option('--id-column <name>', 'column that names the items (default: row-1, row-2, …)')
    .option(
      '--output <path>',
      'where to write, .csv or .jsonl (default: <input>.agent-job-<ID, first 8>.csv beside the input)',
    )
    .option('--output-schema <file>', 'JSON Schema that every result must meet (default: any JSON)')
    .option(
      '--max-concurrency <n>',
      `agents at once, up to ${MAX_CONCURRENCY} (default: ${DEFAULT_MAX_CONCURRENCY})`,
      number,
    )
    .option(
      '--rate <rows/time>',
      'rows that may start, as 2/s, 30/m or 500/h, evenly over the time (default: any number)',
    )
    .option(
      '--limit <column=n>',
      `rows at once that have the same value in a column; up to ${MAX_KEYED_LIMITS} columns, an option each`,
      columnLimit,
    )
    .option('--pool <name>', 'a limit shared with other jobs: what they have in flight at once')
    .option('--pool-size <n>', 'slots of the pool; the smallest that its jobs give holds', number)
    .option(
      '--max-runtime-seconds <s>',
      `time for one agent, from its start (default: ${DEFAULT_LIMITS.max_runtime_seconds})`,
      number,
    )
    .option(
      '--max-cost-usd <x>',
      'what the agents may cost together; --agent claude tells what they do (default: any amount)',
      number,
    )
    .option(
      '--max-tokens <n>',
      'tokens that the agents may use together; with --agent codex or claude (default: any number)',
      number,
    )
    .option(
      '--deadline <time>',
      'when the job is to be over: 2h, 18:00, or an ISO time; agents that still run are ended (default: never)',
    )
    .option(
      '--sample <n>',
      'run so many rows first, say what the others would take, and ask whether to go on',
      number,
    )
    .addOption(
      new Option('--yes', 'go on after the sample without being asked').conflicts('detach'),
    )
    .option(
      '--idle-seconds <s>',
      'end an agent that prints nothing and calls nothing for so long (default: do not look)',
      number,
    )
    .option(
      '--heartbeat-seconds <s>',
      'with --external: give up a row of which no heartbeat comes for so long (default: do not look)',
      number,
    )
    .option(
      '--max-attempts <n>',
      `tries of a row before it has failed (default: ${DEFAULT_LIMITS.max_attempts})`,
      number,
    )
    .option(
      '--tolerated-failures <n>',
      'failed rows beyond which the job halts: no more are started, and it has failed (default: any number)',
      number,
    )
    .option(
      '--tolerated-failure-percentage <p>',
      `the same as a share of the rows that have ended, once ${MIN_FAILURE_SAMPLE} or all have (default: any share)`,
      number,
    )
    .addOption(
      new Option('--fail-fast', 'halt at the first failed row: --tolerated-failures 0').conflicts(
        'toleratedFailures',
      ),
    )
    .option('--job-id <id>', 'name of the job, not used before (default: a random UUID)', jobId)
    .addOption(
      new Option('--agent <name>', 'an agent that is known: it reports by MCP')
        .choices([...PRESETS])
        .conflicts('external'),
    )
    .option(
      '--workdir <dir>',
      'where the agent works; may hold {column} (default: the current folder; with a store on S3, an empty one of each run)',
    )
    .addOption(
      new Option(
        '--isolate <how>',
        'each row in a git worktree of its own, of the repository that holds the folder; its changes are kept as a patch, which the output names',
      ).choices([...ISOLATIONS]),
    )
    .option(
      '--setup <command>',
      `shell command before each agent, in its folder (${MAX_SETUP_SECONDS} s at most); the row is in $AGENT_JOBS_ROW_FILE`,
    )
    .option(
      '--teardown <command>',
      `the same after each agent, however it ended (${MAX_TEARDOWN_SECONDS} s at most)`,
    )
    .option(
      '--pass-env <name...>',
      'variables that the agent gets of its worker’s environment, beside the ordinary ones; NAME or PREFIX_*',
    )
    .option(
      '--quota-pattern <regex>',
      'an agent that ends without a report and with a match (RE2) in the end of its output has met a limit: the job pauses and puts the row back; a group (?<reset>…) is when the limit ends. Codex and Claude Code need none',
    )
    .option('--quota-exit-code <n>', 'the same of an agent that exits with this code', number)
    .option(
      '--reuse',
      'take the results of rows that earlier jobs in this store have completed, with the same instruction, schema and agent',
    )
    .option('--external', 'no command: somebody else works, and reports in time')
    .option('--overwrite', 'replace an output that is not this job’s (default: refuse)')
    .option('--local', 'start dev server and worker in the background where there is none')
    .option('--detach', 'do not wait for the end; prints the job’s ID')
    .option('--json', 'print JSON on standard output, and nothing else there')
    .addOption(storeOption());
}

async function run(input: string, command: string[], options: RunOptions): Promise<void> {
  requireDashes(command);
  const id = options.jobId ?? randomUUID();
  const { readSpec } = await import('./read-spec.js');
  const { spec, total } = await readSpec(input, command, options, id);
  await startSpec({ id, spec, total }, options);
}

export function requireDashes(command: string[]): void {
  if (command.length > 0 && !process.argv.includes('--')) {
    throw new UsageError(
      'write "--" before the agent\'s command, so that its options stay its own',
    );
  }
}

/** A job that is about to be started. */
export interface JobToStart {
  id: string;
  spec: JobSpec;
  total: number;
  /** What there is to say of its rows. Default: how many there are. */
  about?: string;
}

/** Starts a job, with what it needs here where that is asked for. */
export async function startSpec(job: JobToStart, options: RunOptions): Promise<void> {
  if (options.local) {
    const { requireAgent } = await import('./local-worker.js');
    await requireAgent(job.spec);
    const { ensureServer } = await import('./local-server.js');
    await ensureServer();
  }
  const { connected } = await import('./server.js');
  await connected((site) =>
    startJob(site, job, options, () => site.jobs.start(job.spec, { jobId: job.id })),
  );
}

/** Starts a job on a server that is there, and follows it to its end unless that is not wanted. */
export async function startJob(
  site: Connected,
  job: JobToStart,
  options: RunOptions,
  start: () => Promise<unknown>,
): Promise<void> {
  if (options.local) {
    const { ensureWorker } = await import('./local-worker.js');
    await ensureWorker(site, job.spec);
  }
  if (options.detach) await detach(site, job, options, start);
  else await runToEnd(site, job, options, start);
}

async function detach(
  { jobs, link }: Connected,
  { id, spec, total, about = rows(total) }: JobToStart,
  options: RunOptions,
  start: () => Promise<unknown>,
): Promise<void> {
  await start();
  const url = link(id);
  if (options.json) {
    answerJson({
      job_id: id,
      total,
      output_csv_path: spec.output_csv_path ?? defaultOutputPath(spec.csv_path, id),
      web_ui_url: url ?? null,
    });
  } else {
    answer(id);
  }
  note(`Job ${id} is started: ${about}. To watch it: agent-jobs watch ${id}`);
  if (url !== undefined) note(url);
  const { unattendedNotice } = await import('./worker-notice.js');
  const notice = await unattendedNotice(jobs, spec.agent);
  if (notice !== undefined) note(notice);
}

async function runToEnd(
  site: Connected,
  { id, spec, total, about = rows(total) }: JobToStart,
  options: RunOptions,
  start: () => Promise<unknown>,
): Promise<void> {
  const { follow } = await import('./follow.js');
  const { Interruption } = await import('./interruption.js');
  const { answerEnd, jobAnswer } = await import('./job-report.js');
  const { decide, howToGoOn, isSampled } = await import('./sample.js');
  const { jobs } = site;
  const interruption = new Interruption(id);
  await start();
  const job = jobs.job(id);
  const url = site.link(id);
  note(`Job ${id}: ${about}`);
  if (url !== undefined) note(url);
  const followed = {
    agent: spec.agent,
    total,
    ...(options.local && {
      onUnattended: async (say: (text: string) => void) => {
        const { replaceWorker } = await import('./local-worker.js');
        await replaceWorker(spec, say);
      },
    }),
  };
  let status = await follow(jobs, id, interruption, { ...followed, until: isSampled });
  if (isSampled(status)) {
    if ((await decide(job, status, options.yes === true)) === undefined) {
      note(howToGoOn(id));
      if (options.json) answerJson(jobAnswer(status, url));
      process.exitCode = EXIT.paused;
      return;
    }
    status = await follow(jobs, id, new Interruption(id), followed);
  }
  const ended = await job.withOutput(status, { ended: true });
  answerEnd(ended, url, options.json === true);
  process.exitCode = exitCodeOf(ended);
}
