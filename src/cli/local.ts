import type { Command } from 'commander';
import { serverConnection } from '../config.js';
import { endServer, localServers } from './local-server.js';
import { endWorker, localWorkers } from './local-worker.js';
import { listens, loopbackPort } from './loopback.js';
import { answer, answerJson, note } from './output.js';

const NOTES = `
"agent-jobs run --local" starts them where there are none, and they outlive it. The worker keeps the
environment of the command that started it, and so do its agents.`;

export function addLocal(program: Command): void {
  const local = program
    .command('local')
    .summary('dev server and worker that "run --local" has started')
    .description('Shows and ends the dev server and the worker that "run --local" has started.')
    .addHelpText('after', NOTES);
  local
    .command('status')
    .description('Shows what runs, and where its logs are.')
    .option('--json', 'print JSON')
    .action(status);
  local
    .command('down')
    .description(
      'Ends the worker, whose agents may go on for up to 60 s, and the dev server; nothing else.',
    )
    .action(down);
}

async function status(options: { json?: true }): Promise<void> {
  const [servers, workers] = [await localServers(), await localWorkers()];
  if (options.json) return answerJson({ servers, workers });
  for (const { address, pid, web_ui_url, database, log } of servers) {
    answer(`Server: runs at ${address}, process ${pid}`);
    if (web_ui_url !== null) answer(`  Web UI    ${web_ui_url}`);
    answer(`  database  ${database}`);
    answer(`  log       ${log}`);
  }
  if (servers.length === 0) {
    const { address } = serverConnection();
    const port = loopbackPort(address);
    const other = port !== undefined && (await listens(port));
    answer(`Server: ${other ? `another one listens at ${address}` : 'none'}`);
  }
  for (const { pid, task_queue, namespace, address, concurrency, store, log } of workers) {
    answer(`Worker: runs, process ${pid}, for ${concurrency} agents at once`);
    answer(`  queue     ${task_queue} in namespace ${namespace} at ${address}`);
    answer(`  store     ${store}`);
    answer(`  log       ${log}`);
  }
  if (workers.length === 0) answer('Worker: none');
}

async function down(): Promise<void> {
  const [workers, servers] = [await localWorkers(), await localServers()];
  if (workers.length + servers.length === 0) {
    answer('Nothing to end: nothing runs that "run --local" has started.');
  }
  const hurry = new AbortController();
  const onInterrupt = () => hurry.abort();
  if (workers.length > 0) process.once('SIGINT', onInterrupt);
  // The server last: a worker needs it to end in order.
  for (const worker of workers) {
    note(
      `Ending the worker (process ${worker.pid}) once its agents are done; Ctrl-C: end them now.`,
    );
    await endWorker(worker, hurry.signal);
    answer(`The worker (process ${worker.pid}) has ended.`);
  }
  process.off('SIGINT', onInterrupt);
  for (const server of servers) answer(await endServer(server));
}
