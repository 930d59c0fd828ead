// For `node --require`: at its end, a process writes which modules of OpenTelemetry it has loaded.
const { writeFileSync } = require('node:fs');
process.on('exit', () => {
  const loaded = Object.keys(require.cache).filter((path) => /opentelemetry/.test(path));
  writeFileSync(process.env.LOADED_MODULES_FILE, loaded.join('\n'));
});
