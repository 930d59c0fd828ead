/**
 * Checks a job's spec, with the same rules wherever a job is started: in the command line, in the
 * client and in the workflow itself (which also people reach who use the Temporal CLI).
 */
import { z } from 'zod';
import {
  type AgentRoute,
  type AgentSpec,
  type ItemLimits,
  type JobSettings,
  type FixedByFirstJob,
  type JobSpec,
  type RerunSpec,
  type SettingsChange,
  type Telling,
  DEFAULT_LIMITS,
  DEFAULT_MAX_CONCURRENCY,
  ISOLATIONS,
  MAX_CONCURRENCY,
  MAX_KEYED_LIMITS,
  MAX_POOL_SIZE,
  MAX_RESULT_BYTES,
  MAX_SCHEMA_BYTES,
  MAX_SELECTED_IDS,
  PRESETS,
  PRESET_TELLS,
  RERUN_STATUSES,
  defaultOutputPath,
  isProcess,
  jobIdProblem,
} from './job.js';
import { compilePattern, notLinear } from './schema-formats.js';
import { NO_RATE, RATE_PATTERN } from './rate.js';
import { livenessProblem } from './liveness.js';
import { SchemaError, compileSchema } from './schema.js';

/** The spec is not usable. The message has one line per problem: `field.path: what is wrong`. */
export class SpecError extends Error {
  override name = 'SpecError';
  readonly problems: string[];

  constructor(problems: string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

const text = z.string().min(1, 'must not be empty');
const absolutePath = text.refine((path) => path.startsWith('/'), {
  message: 'must be an absolute path: a worker may run in another folder',
});
const seconds = (min: number, max: number) => z.number().min(min).max(max);

const surroundings = {
  workdir: absolutePath.optional(),
  isolate: z.enum(ISOLATIONS).optional(),
  setup: text.optional(),
  teardown: text.optional(),
  pass_env: z
    .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*\*?$/, 'must be NAME or PREFIX_*'))
    .optional(),
  quota_pattern: z.string().superRefine(checkPattern).optional(),
  quota_exit_code: z.int().min(1).max(255).optional(),
};
const command = z.strictObject({
  command: z
    .array(z.string())
    .min(1, 'needs a program')
    .refine((argv) => argv[0] !== '', {
      message: 'needs a program',
    }),
  ...surroundings,
});
const preset = z.strictObject({
  preset: z.enum(PRESETS),
  args: z.array(z.string()).optional(),
  ...surroundings,
});
const external = z.strictObject({ external: z.literal(true) });
const activity = z.strictObject({ activity: text, task_queue: text });

/** Settings that can also be changed while the job runs. */
const changeable = {
  max_concurrency: z.int().min(1).max(MAX_CONCURRENCY).optional(),
  max_cost_usd: z.number().positive().max(1e9).optional(),
  max_tokens: z.int().min(1).optional(),
  deadline: z.iso
    .datetime({ offset: true, error: 'must be a time with its zone, as 2026-11-26T18:00:00Z' })
    .refine((time) => Date.parse(time) > Date.now(), { message: 'has passed already' })
    .optional(),
  rate: z
    .string()
    .refine((rate) => rate === NO_RATE || RATE_PATTERN.test(rate), {
      message: `must be rows in a second, minute or hour, as 2/s, 30/m, 500/h, or ${NO_RATE}`,
    })
    .optional(),
  max_runtime_seconds: seconds(0.1, 7 * 86_400).optional(),
  tolerated_failures: z.int().min(0).optional(),
  tolerated_failure_percentage: z.number().min(0).max(100).optional(),
};
const change = z
  .strictObject(changeable)
  .refine((settings) => Object.values(settings).some((value) => value !== undefined), {
    message: `names nothing to set: give any of ${Object.keys(changeable).join(', ')}`,
  });

/** Rows of an earlier job. */
const selection = {
  statuses: z.array(z.enum(RERUN_STATUSES)).min(1, 'must not be empty').optional(),
  where: z.record(z.string(), z.string()).optional(),
  item_ids: z.array(text).min(1, 'must not be empty').max(MAX_SELECTED_IDS).optional(),
};
const earlierJobId = z.string().superRefine((jobId, context) => {
  const message = jobIdProblem(jobId);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

const spec = z.strictObject({
  ...changeable,
  csv_path: absolutePath,
  // A key of no other job's, and no path out of a folder.
  input_key: z
    .string()
    .regex(/^input\/[A-Za-z0-9-]+(\.[A-Za-z0-9]+)?$/, 'must be a key such as input/NAME.csv')
    .optional(),
  instruction: text,
  // The kind is settled by its key first, so that a mistake is told about the kind that was meant.
  agent: z.unknown().transform((agent, context): AgentSpec => {
    const kinds = { command, preset, external, activity };
    for (const [key, kind] of Object.entries(kinds)) {
      if (typeof agent !== 'object' || agent === null || !Object.hasOwn(agent, key)) continue;
      const parsed = kind.safeParse(agent);
      if (parsed.success) return parsed.data;
      for (const { message, path } of parsed.error.issues) {
        context.addIssue({ code: 'custom', message, path });
      }
      return z.NEVER;
    }
    context.addIssue({
      code: 'custom',
      message:
        'must be {"preset": NAME}, {"command": [...]}, {"external": true} or {"activity": NAME, "task_queue": QUEUE}',
    });
    return z.NEVER;
  }),
  keyed_limits: z
    .record(text, z.int().min(1).max(MAX_CONCURRENCY))
    .refine((limits) => Object.keys(limits).length <= MAX_KEYED_LIMITS, {
      message: `takes ${MAX_KEYED_LIMITS} columns at most`,
    })
    .optional(),
  pool: z
    .strictObject({
      name: z
        .string()
        .regex(/^[A-Za-z0-9._-]{1,64}$/, 'must be 1 to 64 characters of A-Z a-z 0-9 . _ -'),
      size: z.int().min(1).max(MAX_POOL_SIZE),
    })
    .optional(),
  id_column: text.optional(),
  output_csv_path: absolutePath.regex(/\.(csv|jsonl)$/i, 'must end in .csv or .jsonl').optional(),
  overwrite: z.boolean().optional(),
  output_schema: z.union([z.record(z.string(), z.json()), z.boolean()]).optional(),
  sample: z.int().min(1).optional(),
  max_attempts: z.int().min(1).max(100).optional(),
  idle_seconds: seconds(1, 7 * 86_400).optional(),
  heartbeat_seconds: seconds(1, 7 * 86_400).optional(),
  report_grace_seconds: seconds(0, 3600).optional(),
  exit_grace_seconds: seconds(0, 3600).optional(),
  max_result_bytes: z.int().min(1).max(MAX_RESULT_BYTES).optional(),
  reuse: z.boolean().optional(),
  rerun_of: z.strictObject(selection).optional(),
});

const FIXED = { csv_path: true, input_key: true, id_column: true } satisfies {
  [field in FixedByFirstJob]: true;
};
const rerun = spec
  .partial()
  .omit(FIXED)
  .extend({ rerun_of: z.strictObject({ job_id: earlierJobId, ...selection }) });

/**
 * @returns the spec, typed, with nothing filled in.
 * @throws {SpecError} naming every field that is unknown, missing, ill-typed or out of range.
 */
export function parseSpec(input: unknown): JobSpec {
  const parsed = read(spec, input);
  checkSchema(parsed.output_schema);
  const problem =
    budgetProblem(parsed, tellingOf(parsed.agent)) ??
    livenessProblem(routeOf(parsed.agent).kind, limitsOf(parsed));
  if (problem !== undefined) throw new SpecError([problem]);
  return parsed;
}

/** Whether what is to be started is about rows of an earlier job in the store: then {@link parseRerun} reads it. */
export function isRerun(input: unknown): input is RerunSpec {
  const earlier = (input as { rerun_of?: { job_id?: unknown } } | null | undefined)?.rerun_of;
  return typeof earlier === 'object' && earlier?.job_id !== undefined;
}

/**
 * @returns what is to be run again, typed, with nothing filled in.
 * @throws {SpecError}
 */
export function parseRerun(input: unknown): RerunSpec {
  const parsed = read(rerun, input);
  checkSchema(parsed.output_schema);
  return parsed;
}

/**
 * @returns the settings to be changed while a job runs.
 * @throws {SpecError}
 */
export function parseChange(input: unknown): SettingsChange {
  return read(change, input);
}

/** @returns why a budget could not be kept, with the field. @param tells what the agents tell; undefined: nothing. */
export function budgetProblem(
  { max_cost_usd, max_tokens }: SettingsChange,
  tells: Telling | undefined,
): string | undefined {
  if (max_cost_usd !== undefined && tells !== 'cost') {
    const instead = tells === 'tokens' ? 'Codex tells its tokens: give max_tokens' : TELL;
    return `max_cost_usd: what its agents cost is not known to the job. ${instead}`;
  }
  if (max_tokens !== undefined && tells === undefined) {
    return `max_tokens: what its agents use is not known to the job. ${TELL}`;
  }
  return undefined;
}

const TELL =
  'Codex (the preset codex) tells its tokens, Claude Code (claude) its tokens and their cost; others tell neither';

function tellingOf(agent: AgentSpec): Telling | undefined {
  return 'preset' in agent ? PRESET_TELLS[agent.preset] : undefined;
}

function read<T>(schema: z.ZodType<T>, input: unknown): T {
  try {
    const parsed = schema.safeParse(input);
    if (parsed.success) return parsed.data;
    throw new SpecError(
      parsed.error.issues.map(({ path, message }) =>
        path.length > 0 ? `${path.join('.')}: ${message}` : message,
      ),
    );
  } catch (error) {
    if (error instanceof RangeError) throw new SpecError(['the spec is nested too deeply']);
    throw error;
  }
}

function checkPattern(pattern: string, context: z.RefinementCtx): void {
  const problem = patternProblem(pattern);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
}

/** @returns why the pattern cannot be used. */
function patternProblem(pattern: string): string | undefined {
  try {
    if (!compilePattern(pattern).matcher('').find()) return undefined;
    return 'also matches no output at all, and so every end';
  } catch (error) {
    return notLinear(pattern, error as Error);
  }
}

function checkSchema(schema: JobSpec['output_schema']): void {
  if (schema === undefined) return;
  const bytes = new TextEncoder().encode(JSON.stringify(schema)).length;
  if (bytes > MAX_SCHEMA_BYTES) {
    throw new SpecError([
      `output_schema: is ${bytes} bytes, at most ${MAX_SCHEMA_BYTES} are taken`,
    ]);
  }
  try {
    compileSchema(schema);
  } catch (error) {
    if (error instanceof SchemaError) throw new SpecError([`output_schema${error.message}`]);
    throw error;
  }
}

/** The settings that the workflows run by: the spec with every default filled in. */
export function settingsOf(spec: JobSpec, jobId: string): JobSettings {
  const { max_cost_usd, max_tokens } = spec;
  const tells = tellingOf(spec.agent);
  const budget = {
    ...(max_cost_usd !== undefined && { max_cost_usd }),
    ...(max_tokens !== undefined && { max_tokens }),
  };
  const { rate, keyed_limits, pool, tolerated_failures, tolerated_failure_percentage } = spec;
  return {
    csv_path: spec.csv_path,
    output_csv_path: spec.output_csv_path ?? defaultOutputPath(spec.csv_path, jobId),
    max_concurrency: spec.max_concurrency ?? DEFAULT_MAX_CONCURRENCY,
    ...(Object.keys(budget).length > 0 && { budget }),
    ...(tells !== undefined && { tells }),
    ...(spec.deadline !== undefined && { deadline: spec.deadline }),
    ...(spec.sample !== undefined && { sample: spec.sample }),
    ...(rate !== undefined && rate !== NO_RATE && { rate }),
    ...(keyed_limits !== undefined && { keyed_limits }),
    ...(pool !== undefined && { pool }),
    ...(tolerated_failures !== undefined && { tolerated_failures }),
    ...(tolerated_failure_percentage !== undefined && { tolerated_failure_percentage }),
    agent: routeOf(spec.agent),
    limits: limitsOf(spec),
    ...(spec.output_schema === undefined ? {} : { output_schema: spec.output_schema }),
  };
}

function limitsOf(spec: JobSpec): ItemLimits {
  const { idle_seconds, heartbeat_seconds } = spec;
  return {
    max_runtime_seconds: spec.max_runtime_seconds ?? DEFAULT_LIMITS.max_runtime_seconds,
    max_attempts: spec.max_attempts ?? DEFAULT_LIMITS.max_attempts,
    ...(idle_seconds !== undefined && { idle_seconds }),
    ...(heartbeat_seconds !== undefined && { heartbeat_seconds }),
    report_grace_seconds: spec.report_grace_seconds ?? DEFAULT_LIMITS.report_grace_seconds,
    exit_grace_seconds: spec.exit_grace_seconds ?? DEFAULT_LIMITS.exit_grace_seconds,
    max_result_bytes: spec.max_result_bytes ?? DEFAULT_LIMITS.max_result_bytes,
  };
}

function routeOf(agent: AgentSpec): AgentRoute {
  if (isProcess(agent)) return { kind: 'process' };
  if ('external' in agent) return { kind: 'external' };
  return { kind: 'activity', activity: agent.activity, task_queue: agent.task_queue };
}
