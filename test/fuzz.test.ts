/**
 * Hostile input by the thousands: never a crash, a hang or an answer that makes no sense.
 * `AGENT_JOBS_FUZZ_CASES` sets how many (`npm run test:fuzz`: 100,000, of a seed that is printed), and
 * `AGENT_JOBS_FUZZ_SEED` the seed; `npm test` has the same cases each time.
 * A case that fails becomes a test of its own in `hostile.test.ts`.
 */
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { EndpointTarget } from './fuzz/endpoint.js';
import { McpProcess } from './fuzz/mcp-process.js';
import { type Fuzzed, PROPERTIES } from './fuzz/properties.js';

const { AGENT_JOBS_FUZZ_CASES: MANY, AGENT_JOBS_FUZZ_SEED: GIVEN } = process.env;
const CASES = Number(MANY ?? 2000);
const SEED = Number(GIVEN ?? (MANY === undefined ? 1 : Date.now() % 2 ** 31));
/** Of the processor, for one case; most take less than a millisecond. */
const MAX_CASE_CPU_MS = 5000;
/** A case that does not come to its end. */
const MAX_CASE_MS = 60_000;

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
    const cases = new Timed(property);
    await fc.assert(cases, { numRuns, seed: SEED + n, timeout: MAX_CASE_MS });
    const took = Math.round(performance.now() - begun);
    t.diagnostic(
      `${name}: ${took} ms, the slowest case ${Math.round(cases.slowest)} ms of processor`,
    );
  });
}

/** A property that also fails where a case takes too long. */
class Timed implements fc.IRawProperty<unknown> {
  slowest = 0;
  readonly #inner: fc.IRawProperty<unknown>;
  #begun = 0;

  constructor(inner: fc.IRawProperty<unknown>) {
    this.#inner = inner;
  }

  isAsync() {
    return this.#inner.isAsync();
  }

  generate(random: fc.Random, runId?: number) {
    return this.#inner.generate(random, runId);
  }

  shrink(value: fc.Value<unknown>) {
    return this.#inner.shrink(value);
  }

  runBeforeEach() {
    return this.#inner.runBeforeEach();
  }

  runAfterEach() {
    return this.#inner.runAfterEach();
  }

  run(value: unknown) {
    this.#begun = cpuMs();
    const failure = this.#inner.run(value);
    return failure instanceof Promise
      ? failure.then((known) => this.#ended(known))
      : this.#ended(failure);
  }

  #ended<T>(failure: T | null): T | { error: Error } | null {
    const took = cpuMs() - this.#begun;
    this.slowest = Math.max(this.slowest, took);
    if (failure !== null || took <= MAX_CASE_CPU_MS) return failure;
    return { error: new Error(`a case took ${took} ms of processor`) };
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
