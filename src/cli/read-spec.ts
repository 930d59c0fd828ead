/** Turns what was typed after `run` into a job's spec. */
import { readFile } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import { checkInput } from '../activities/open-input.js';
import { outputRows } from '../activities/open-rerun.js';
import type { JobChanges, JobSpec, Preset, RowSelection } from '../client.js';
import { literally } from '../input/template.js';
import type { Isolation } from '../job.js';
import { SpecError, parseSpec } from '../spec.js';
import { UsageError } from './errors.js';
import { readDeadline } from './read-deadline.js';

export interface SpecOptions {
  instruction?: string;
  instructionFile?: string;
  idColumn?: string;
  output?: string;
  outputSchema?: string;
  maxConcurrency?: number;
  rate?: string;
  pool?: string;
  poolSize?: number;
  limit?: { [column: string]: number };
  maxRuntimeSeconds?: number;
  maxCostUsd?: number;
  maxTokens?: number;
  sample?: number;
  deadline?: string;
  idleSeconds?: number;
  heartbeatSeconds?: number;
  maxAttempts?: number;
  toleratedFailures?: number;
  toleratedFailurePercentage?: number;
  failFast?: true;
  overwrite?: boolean;
  reuse?: true;
  external?: boolean;
  agent?: Preset;
  workdir?: string;
  passEnv?: string[];
  isolate?: Isolation;
  setup?: string;
  teardown?: string;
  quotaPattern?: string;
  quotaExitCode?: number;
}

/**
 * Reads the files that the options name, and checks the input against the spec, as the job itself
 * will do: what is wrong is said before anything is started.
 * @param rerun_of which rows are to be run again, where the input is the output of an earlier job.
 * @returns the spec, its paths absolute, the number of rows, and of those that are to be run.
 * @throws {UsageError}; {@link InvalidInput}.
 */
export async function readSpec(
  input: string,
  command: string[],
  options: SpecOptions,
  jobId: string,
  rerun_of?: RowSelection,
): Promise<{ spec: JobSpec; total: number; selected: number }> {
  const { instruction, file } = await readInstruction(options);
  const spec = parse({
    csv_path: resolve(input),
    instruction,
    agent: agentOf(command, options),
    id_column: options.idColumn,
    ...(await readSettings(options)),
    rerun_of,
  });
  try {
    let selected = 0;
    const rows = rerun_of === undefined ? undefined : await outputRows(spec);
    const { total } = await checkInput(jobId, spec, rows, async ({ kept }) => {
      if (!kept) selected += 1;
    });
    return { spec, total, selected };
  } catch (error) {
    if (error instanceof Error) {
      if (file !== undefined) error.message = error.message.replace(/^instruction:/, `${file}:`);
      error.message = error.message.replace(/^agent\.workdir:/, '--workdir:');
    }
    throw error;
  }
}

/** What is to be different from an earlier job. @throws {UsageError} */
export async function readChanges(command: string[], options: SpecOptions): Promise<JobChanges> {
  const { instruction, instructionFile, agent, external, workdir, passEnv } = options;
  const { isolate, setup, teardown, quotaPattern, quotaExitCode } = options;
  const surroundings = [workdir, passEnv, isolate, setup, teardown, quotaPattern, quotaExitCode];
  const ofAgent = [agent, external, ...surroundings];
  return {
    ...(instruction !== undefined || instructionFile !== undefined
      ? { instruction: (await readInstruction(options)).instruction }
      : {}),
    ...(command.length > 0 || ofAgent.some((option) => option !== undefined)
      ? { agent: agentOf(command, options) }
      : {}),
    ...((await readSettings(options)) as JobChanges),
  };
}

/** The fields that say neither what is to be done nor by whom. */
async function readSettings(options: SpecOptions) {
  const { outputSchema } = options;
  return {
    output_csv_path: options.output === undefined ? undefined : resolve(options.output),
    overwrite: options.overwrite,
    reuse: options.reuse,
    output_schema: outputSchema === undefined ? undefined : await readSchema(resolve(outputSchema)),
    max_concurrency: options.maxConcurrency,
    rate: options.rate,
    keyed_limits: options.limit,
    pool: poolOf(options),
    max_runtime_seconds: options.maxRuntimeSeconds,
    max_cost_usd: options.maxCostUsd,
    max_tokens: options.maxTokens,
    sample: options.sample,
    deadline: options.deadline === undefined ? undefined : await readDeadline(options.deadline),
    idle_seconds: options.idleSeconds,
    heartbeat_seconds: options.heartbeatSeconds,
    max_attempts: options.maxAttempts,
    tolerated_failures: options.failFast ? 0 : options.toleratedFailures,
    tolerated_failure_percentage: options.toleratedFailurePercentage,
  };
}

function poolOf({ pool, poolSize }: SpecOptions) {
  if (pool === undefined && poolSize === undefined) return undefined;
  if (pool !== undefined && poolSize !== undefined) return { name: pool, size: poolSize };
  throw new UsageError('--pool and --pool-size go together: --pool gpt --pool-size 64');
}

async function readInstruction({ instruction, instructionFile }: SpecOptions) {
  if (instruction !== undefined) return { instruction };
  if (instructionFile === undefined) {
    throw new UsageError('say what is to be done: --instruction TEXT or --instruction-file FILE');
  }
  const file = resolve(instructionFile);
  return { instruction: await readText(file, '--instruction-file'), file };
}

async function readSchema(file: string): Promise<unknown> {
  const text = await readText(file, '--output-schema');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--output-schema: ${file} is not JSON: ${(error as Error).message}`);
  }
}

async function readText(file: string, option: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${option}: ${file} cannot be read: ${(error as Error).message}`);
  }
}

function agentOf(command: string[], options: SpecOptions): JobSpec['agent'] {
  const { agent, external, workdir, passEnv, isolate, setup, teardown } = options;
  const { quotaPattern, quotaExitCode } = options;
  if (external) {
    const ofProcesses = [workdir, passEnv, isolate, setup, teardown, quotaPattern, quotaExitCode];
    if (command.length > 0 || ofProcesses.some((option) => option !== undefined)) {
      throw new UsageError(
        'with --external somebody else works on the rows: give no command and none of --workdir, --isolate, --setup, --teardown, --pass-env, --quota-pattern, --quota-exit-code',
      );
    }
    return { external: true };
  }
  const surroundings = {
    // The client names the current folder where a worker has it.
    ...((workdir !== undefined || isolate !== undefined) && { workdir: workdirOf(workdir) }),
    ...(isolate !== undefined && { isolate }),
    ...(setup !== undefined && { setup }),
    ...(teardown !== undefined && { teardown }),
    ...(passEnv !== undefined && { pass_env: passEnv }),
    ...(quotaPattern !== undefined && { quota_pattern: quotaPattern }),
    ...(quotaExitCode !== undefined && { quota_exit_code: quotaExitCode }),
  };
  if (agent !== undefined) {
    return { preset: agent, ...(command.length > 0 && { args: command }), ...surroundings };
  }
  if (command.length > 0) return { command, ...surroundings };
  throw new UsageError(
    'who works on the rows? Give --agent codex, --agent claude, the agent\'s command at the end, after "--", or --external',
  );
}

/** The folder as a template: only what was typed can hold columns, not the name of the current folder. */
function workdirOf(typed?: string): string {
  const here = literally(resolve('.'));
  if (typed === undefined || typed === '.') return here;
  // Not normalised: what `..` means behind a placeholder is known only with the row.
  if (typed.includes('{')) return isAbsolute(typed) ? typed : `${here.replace(/\/$/, '')}/${typed}`;
  return isAbsolute(typed) ? typed : literally(resolve(typed));
}

/** As the options are called; the others are named after their fields. */
const OPTION_NAMES: Record<string, string> = {
  csv_path: 'INPUT',
  output_csv_path: '--output',
  agent: 'COMMAND',
  keyed_limits: '--limit',
};

function parse(given: unknown): JobSpec {
  try {
    return parseSpec(given);
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    const problems = error.problems.map((problem) =>
      problem.replace(
        /^(?:agent\.(?=quota_))?([a-z_]+)/,
        (_, field: string) => OPTION_NAMES[field] ?? `--${field.replaceAll('_', '-')}`,
      ),
    );
    throw new UsageError(problems.join('\n'));
  }
}
