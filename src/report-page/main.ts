const { job, rows, end } = takeReport();
const table: RowTable = new RowTable(job, rows, (row) => details.show(row));
const details: Details = new Details(
  job,
  (by) => {
    const row = table.step(by);
    if (row !== undefined) details.show(row);
  },
  () => table.focus(),
);
showSummary(job, end);
showTimeline(job, rows, (row) => {
  table.select(row);
  details.show(row);
});
showThroughput(job, rows);
showLatency(rows, job.written);
showFailures(rows, (name) => table.choose(name));
