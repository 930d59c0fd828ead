/** Entry of the workflow bundle. */
export { agentJob } from './agent-job.js';
export { agentJobItem } from './agent-job-item.js';
