// An agent that tries to use Temporal, and reports whether it was answered.
// Its prompt is JSON: { address, cert, key }, the last two where it has a certificate.
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { text } from 'node:stream/consumers';

const { address, cert, key } = JSON.parse(await text(process.stdin));
const own = cert && { cert: readFileSync(cert), key: readFileSync(key) };

const tried = await new Promise((resolve) => {
  // Whoever it is that answers.
  const session = connect(`https://${address}`, { rejectUnauthorized: false, ...own });
  session.on('error', () => resolve('refused'));
  session.on('close', () => resolve('refused'));
  const request = session.request({
    ':method': 'POST',
    ':path': '/temporal.api.workflowservice.v1.WorkflowService/GetSystemInfo',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  request.on('response', (headers) => resolve(headers[':status'] === 200 ? 'answered' : 'refused'));
  request.on('error', () => resolve('refused'));
  // A message of no bytes, uncompressed.
  request.end(Buffer.alloc(5));
});
const { AGENT_JOBS_REPORT_URL: url, AGENT_JOBS_REPORT_TOKEN: token } = process.env;
const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
await fetch(url, { method: 'POST', headers, body: JSON.stringify({ result: tried }) });
process.exit(0);
