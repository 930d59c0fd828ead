/** What a model was used for, as its agent tells. */
export interface Usage {
  /** All tokens of the prompts, those from a cache included. */
  input_tokens: number;
  /** Those of them that came from a cache. */
  cached_input_tokens: number;
  output_tokens: number;
  /** US dollars, where the agent gives a price. */
  cost_usd?: number;
}

/** The usage of one attempt, of all its runs together. */
export type AttemptUsage = { attempt: number } & Usage;

/** All tokens, as a budget counts them. */
export function tokensOf({ input_tokens, output_tokens }: Usage): number {
  return input_tokens + output_tokens;
}

/** The sum of two usages; a price where either has one. */
export function addUsage(a: Usage, b: Usage): Usage {
  // To a millionth of a dollar: sums of floats are not as short as what they sum up.
  const cost = Math.round(1e6 * ((a.cost_usd ?? 0) + (b.cost_usd ?? 0))) / 1e6;
  return {
    input_tokens: a.input_tokens + b.input_tokens,
    cached_input_tokens: a.cached_input_tokens + b.cached_input_tokens,
    output_tokens: a.output_tokens + b.output_tokens,
    ...((a.cost_usd ?? b.cost_usd) !== undefined && { cost_usd: cost }),
  };
}
