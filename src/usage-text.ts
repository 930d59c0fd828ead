/** How tokens and money are said to people. */
import type { Budget } from './job.js';

/** `9999`, `12k`, `1.2M`. */
export function compact(count: number): string {
  if (count < 10_000) return String(Math.round(count));
  return count < 1e6 ? `${Math.round(count / 1000)}k` : `${(count / 1e6).toFixed(1)}M`;
}

/** `$0.0123`, `$12.30`. */
export function dollars(cost: number): string {
  return `$${cost.toFixed(cost < 1 ? 4 : 2)}`;
}

/** `$1.20`, `34k tokens`. */
export function spentText(of: keyof Budget, amount: number): string {
  return of === 'max_cost_usd' ? dollars(amount) : `${compact(amount)} tokens`;
}
