import type { AgentRun } from '../activities/contract.js';

/**
 * The environment of an agent: its worker's, without what reaches Temporal, and with what it takes to
 * report for this run and no other.
 */
export function agentEnvironment(own: {
  run: AgentRun;
  token: string;
  reportUrl: string;
  rowFile: string;
}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('TEMPORAL_') && !name.startsWith('AGENT_JOBS_'),
  );
  return {
    ...Object.fromEntries(inherited),
    AGENT_JOBS_JOB_ID: own.run.job_id,
    AGENT_JOBS_ITEM_ID: own.run.item_id,
    AGENT_JOBS_ATTEMPT: String(own.run.attempt),
    AGENT_JOBS_REPORT_URL: own.reportUrl,
    AGENT_JOBS_REPORT_TOKEN: own.token,
    AGENT_JOBS_ROW_FILE: own.rowFile,
  };
}
