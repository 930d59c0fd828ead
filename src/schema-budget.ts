/**
 * What one check of a result may cost, in steps of the validator (some microseconds at most). Some
 * schemas cost time that is exponential in the depth of a result, or quadratic in its length: without
 * a budget, such a result would hold up its worker, and its workflow for ever.
 */

/** A check has cost more than it may. */
export class TooMuchWork extends Error {
  override name = 'TooMuchWork';
}

let left = 0;

export function startBudget(steps: number): void {
  left = steps;
}

/** @throws {TooMuchWork} */
export function charge(steps: number): void {
  left -= steps;
  if (left < 0) throw new TooMuchWork();
}

/** Has the validator charge a step whenever it applies the schema: it reads each keyword once. */
export function metered<T extends object>(schema: T, cost = () => 1): T {
  return Object.defineProperty(schema, '$recursiveAnchor', {
    get: () => charge(cost()),
  });
}

/** The validator compares each item with each other: the n-th costs up to n comparisons. */
const COMPARISON_STEPS = 0.2;

/** A schema that any array meets, and that charges for `uniqueItems`; to be applied before it. */
export function uniqueItemsMeter(): object {
  let items = 0;
  const item = metered({ not: {} }, () => (items += 1) * COMPARISON_STEPS);
  const start = () => {
    items = 0;
    return 1;
  };
  return metered({ contains: item, minContains: 0 }, start);
}
