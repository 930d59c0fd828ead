import type { AgentRun } from '../activities/contract.js';

/** What programs need to run at all: where things are, who they run for, and how to reach a network. */
const ORDINARY = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'TMPDIR',
  'TZ',
  'TERM',
  'LANG',
  'LANGUAGE',
  'LC_*',
  'XDG_*',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_EXTRA_CA_CERTS',
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'].flatMap((name) => [
    name,
    name.toLowerCase(),
  ]),
];

export const ROW_FILE_VARIABLE = 'AGENT_JOBS_ROW_FILE';
export const TOKEN_VARIABLE = 'AGENT_JOBS_REPORT_TOKEN';
export const JOB_VARIABLE = 'AGENT_JOBS_JOB_ID';
/** The folder of a host of agents: what tells it from other processes. */
export const HOST_FOLDER_VARIABLE = 'AGENT_JOBS_HOST_FOLDER';

/**
 * What it takes to work on this run and to report for it, and for no other.
 * @param own.token none for processes that are not to report.
 */
export function runVariables(own: {
  run: AgentRun;
  token: string | undefined;
  endpoint: { url: string; mcpUrl: string };
  rowFile: string;
  trace?: { [name: string]: string } | undefined;
}): { [name: string]: string } {
  const { run, token, endpoint, rowFile } = own;
  return {
    [JOB_VARIABLE]: run.job_id,
    AGENT_JOBS_ITEM_ID: run.item_id,
    AGENT_JOBS_ATTEMPT: String(run.attempt),
    AGENT_JOBS_REPORT_URL: endpoint.url,
    AGENT_JOBS_MCP_URL: endpoint.mcpUrl,
    ...(token !== undefined && { [TOKEN_VARIABLE]: token }),
    [ROW_FILE_VARIABLE]: rowFile,
    ...own.trace,
  };
}

/**
 * What a process of a job gets of its worker's environment.
 * @param passed names, or `PREFIX_*`, beside the ordinary ones. Nothing that reaches Temporal is passed.
 */
export function inherited(passed: string[]): NodeJS.ProcessEnv {
  const names = new Set([...ORDINARY, ...passed]);
  const prefixes = [...names].filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1));
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^(TEMPORAL|AGENT_JOBS)_/.test(name) &&
        (names.has(name) || prefixes.some((prefix) => name.startsWith(prefix))),
    ),
  );
  // A report goes to this host, past any proxy.
  for (const name of ['NO_PROXY', 'no_proxy']) {
    environment[name] = [process.env[name], '127.0.0.1,localhost'].filter(Boolean).join(',');
  }
  return environment;
}
