/** Entry of the workflow bundle. */
export { agentJob } from './agent-job.js';
export { agentJobItem } from './agent-job-item.js';
export { agentPool } from './agent-pool.js';

// The SDK takes the stack of each promise that a workflow makes, a fifth of a worker's CPU time at ten
// frames each. One frame still tells where an error was thrown; errors are not the way items fail.
Error.stackTraceLimit = 1;
