/**
 * The vocabulary of agent-jobs: types and pure rules. Imports nothing but its parts, so that workflow code,
 * activities, the client and the command line all speak of the same things.
 *
 * - **job**: one run over one input file; workflow type `agentJob`, workflow ID = `job_id`.
 * - **item**: one row of the input; workflow type `agentJobItem`, workflow ID `<job_id>/<item_id>`.
 * - **agent**: what processes one item: a process, a Temporal activity, or an external party.
 * - **attempt**: a counted try of an item (1, 2, …). **run**: one start of an agent; a start that is
 *   lost with its worker is repeated as a new run of the same attempt.
 * - **report**: the `report_agent_job_result` message.
 * - **outcome**: how an item ended. **verdict**: how a job ended.
 *
 * Names on the wire are snake_case.
 */

export * from './job/agent.js';
export * from './job/clip.js';
export * from './job/json.js';
export * from './job/limits.js';
export * from './job/names.js';
export * from './job/outcome.js';
export * from './job/pool.js';
export * from './job/progress.js';
export * from './job/report.js';
export * from './job/settings.js';
export * from './job/spec.js';
export * from './job/usage.js';
export * from './job/verdict.js';
