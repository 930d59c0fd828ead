/**
 * Hostile input by the thousands: never a crash, a hang or an answer that makes no sense. The seed is
 * printed, and `AGENT_JOBS_FUZZ_SEED` sets it; `AGENT_JOBS_FUZZ_CASES` how many (`npm run test:fuzz`: 100,000).
 * A case that fails becomes a test of its own in `hostile.test.ts`.
 */
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { EndpointTarget } from './fuzz/endpoint.js';
import { McpProcess } from './fuzz/mcp-process.js';
import { type Fuzzed, PROPERTIES } from './fuzz/properties.js';

const CASES = Number(process.env['AGENT_JOBS_FUZZ_CASES'] ?? 2000);
const SEED = Number(process.env['AGENT_JOBS_FUZZ_SEED'] ?? Date.now() % 2 ** 31);
/** For one case, on a busy machine; most take less than a millisecond. */
const MAX_CASE_MS = 10_000;

let endpoint: EndpointTarget;
let mcp: McpProcess;
before(async () => {
  endpoint = await EndpointTarget.open();
  mcp = await McpProcess.open();
});
after(async () => {
  await endpoint.close();
  await mcp.close();
});

const targets: (() => Fuzzed)[] = [
  ...PROPERTIES.map((target) => () => target),
  () => ({ name: 'bytes to the report endpoint', share: 3, property: endpoint.bytes }),
  () => ({ name: 'bodies to the report endpoint', share: 3, property: endpoint.bodies }),
  () => ({ name: 'lines to the MCP server', share: 2, property: mcp.lines }),
];

for (const [n, target] of targets.entries()) {
  test(`fuzz ${n + 1} of ${targets.length}`, { timeout: 3_600_000 }, async (t) => {
    const { name, share, property } = target();
    const numRuns = Math.ceil((CASES * share) / 100);
    t.diagnostic(`${name}: ${numRuns} cases, seed ${SEED}`);
    const begun = performance.now();
    let last = begun;
    let slowest = 0;
    await fc.assert(timed(property), { numRuns, seed: SEED + n });
    t.diagnostic(
      `${name}: ${Math.round(performance.now() - begun)} ms, slowest ${Math.round(slowest)} ms`,
    );

    function timed(inner: fc.IRawProperty<unknown>): fc.IRawProperty<unknown> {
      const check = (failure: Awaited<ReturnType<typeof inner.run>>) => {
        const now = performance.now();
        slowest = Math.max(slowest, now - last);
        if (failure === null && now - last > MAX_CASE_MS) {
          return { error: new Error(`a case took ${now - last} ms`) };
        }
        return failure;
      };
      return {
        isAsync: () => inner.isAsync(),
        generate: (random, runId) => inner.generate(random, runId),
        shrink: (value) => inner.shrink(value),
        run: (value) => {
          last = performance.now();
          const result = inner.run(value);
          return result instanceof Promise ? (result.then(check) as Promise<never>) : check(result);
        },
        runBeforeEach: () => inner.runBeforeEach(),
        runAfterEach: () => inner.runAfterEach(),
      } as fc.IRawProperty<unknown>;
    }
  });
}
