// An agent that reports what it takes for the time, and dates its request by it: misdated-agent.mjs ID
const { AGENT_JOBS_REPORT_URL: url, AGENT_JOBS_REPORT_TOKEN: token } = process.env;
const now = new Date();
const response = await fetch(url, {
  method: 'POST',
  headers: {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    date: now.toUTCString(),
  },
  body: JSON.stringify({ result: { id: process.argv[2], now: now.toISOString() } }),
});
console.log(`answer ${response.status}`);
