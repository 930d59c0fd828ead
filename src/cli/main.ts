#!/usr/bin/env node
/** `agent-jobs`: commands load what they need when they run, so that help and reports are quick. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { nameKeysFile, nameStore } from '../config.js';
import { keysFileOption } from './arguments.js';
import { addCancel } from './cancel.js';
import { addCodecServer } from './codec-server.js';
import { EXIT_CODES_HELP, explain } from './errors.js';
import { addHeartbeat } from './heartbeat.js';
import { addItems } from './items.js';
import { addList } from './list.js';
import { addLocal } from './local.js';
import { addMcp } from './mcp.js';
import { flushed, note, tolerateGoneReader } from './output.js';
import { addLogs } from './logs.js';
import { addPause } from './pause.js';
import { addReport } from './report.js';
import { addReportHtml } from './report-html.js';
import { addResults } from './results.js';
import { addResume } from './resume.js';
import { addRerun } from './rerun.js';
import { addRun } from './run.js';
import { addRetry } from './retry.js';
import { addSet } from './set.js';
import { addStatus } from './status.js';
import { addStop } from './stop.js';
import { addWatch } from './watch.js';
import { addWorker } from './worker.js';

const NOTES = `
The server is that of the standard Temporal settings (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, …, or the
profile file); by default 127.0.0.1:7233. More about a command: agent-jobs COMMAND --help
${EXIT_CODES_HELP}`;

function program(): Command {
  const root = new Command('agent-jobs')
    .description('Gives an AI agent the same task for every row of a file.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this')
    .helpCommand(false)
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .showHelpAfterError('To see how it is used, add --help.')
    .exitOverride()
    .hook('preAction', (_, command) => {
      const { store, keysFile } = command.opts<{ store?: string; keysFile?: string }>();
      if (store !== undefined) nameStore(store);
      if (keysFile !== undefined) nameKeysFile(keysFile);
    })
    .addHelpText('after', NOTES);
  // In the order in which they are met.
  addRun(root);
  addRerun(root);
  addWorker(root);
  addStatus(root);
  addWatch(root);
  addList(root);
  addItems(root);
  addLogs(root);
  addResults(root);
  addSet(root);
  addPause(root);
  addResume(root);
  addReportHtml(root);
  addStop(root);
  addCancel(root);
  addRetry(root);
  addReport(root);
  addHeartbeat(root);
  addLocal(root);
  addMcp(root);
  addCodecServer(root);
  for (const command of root.commands) {
    const reads = command.options.some((option) => option.attributeName() === 'store');
    if (reads || ['report', 'codec-server'].includes(command.name())) {
      command.addOption(keysFileOption());
    }
  }
  return root;
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

tolerateGoneReader();
try {
  await program().parseAsync();
} catch (error) {
  const { code, message } = explain(error);
  if (message !== undefined) note(`agent-jobs: ${message}`);
  process.exitCode = code;
}
await flushed();
// What was left behind, as a long poll of a job that goes on, is not waited for.
process.exit();
