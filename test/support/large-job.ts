/**
 * A program: opens an input, gives each row a result and writes the output, as a worker does, and prints how
 * much memory that took at most.
 * Arguments: the store, the input, `file` or `store` for where workers find it.
 */
import { createReadStream } from 'node:fs';
import { Client, Connection } from '@temporalio/client';
import { snapshotInput } from '../../src/activities/open-input.js';
import type { JobSpec, RowOutcome } from '../../src/job.js';
import { exportRows, outputText } from '../../src/output/export.js';
import { JobStore } from '../../src/store/job-store.js';
import { openStore } from '../../src/store/open-store.js';
import { OutcomeIndex } from '../../src/store/outcome-index.js';

const BATCH = 64;
const RESULT = 'r'.repeat(1000);

const [location, csv_path, where] = process.argv.slice(2) as [string, string, 'file' | 'store'];
const store = new JobStore(openStore(location));
const stored = store.job('large');
const output_csv_path = `${csv_path}.out.csv`;
const spec: JobSpec = {
  csv_path,
  output_csv_path,
  instruction: '{text}',
  id_column: 'id',
  agent: { external: true },
  ...(where === 'store' && {
    input_key: await stored.saveInput(createReadStream(csv_path), '.csv'),
  }),
};
const client = new Client({ connection: Connection.lazy() });
const record = await snapshotInput({ client, store }, 'large', spec);
const { total } = record;
for (let batch = 0; batch * BATCH < total; batch += 1) {
  const rows = Array.from({ length: Math.min(BATCH, total - batch * BATCH) }, (_, n) => n);
  const at = new Date().toISOString();
  const outcomes = rows.map((n): RowOutcome => [
    batch * BATCH + n,
    {
      status: 'completed',
      attempt_count: 1,
      completed_at: at,
      reported_at: at,
      result: { inline: RESULT },
    },
  ]);
  await stored.saveOutcomes(
    batch,
    { at, counts: { completed: 0, failed: 0, cancelled: 0 } },
    outcomes,
  );
}
const index = await OutcomeIndex.of(stored, total);
const outcomeOf = ({ row_index }: { row_index: number }) => index.get(row_index);
if (where === 'file') await exportRows(output_csv_path, record, stored, outcomeOf);
else await stored.saveOutput('output.csv', outputText(output_csv_path, record, stored, outcomeOf));
console.log(JSON.stringify({ total, peak: process.resourceUsage().maxRSS * 1024 }));
