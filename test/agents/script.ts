/**
 * What a mock model does in a conversation: its prompt tells, so that one model serves every row.
 *
 * A line `MODEL STEP`, or `MODEL STEP THEN STEP …`, of which the last such line counts:
 *
 *     report JSON     reports JSON as the result of the item that the prompt names, in our words or in those of
 *                     the fan-out that Codex once had
 *     stop JSON       the same, and asks that the whole job stop
 *     call NAME JSON  calls the tool whose name ends with NAME
 *     tool-missing    calls a tool that there is not
 *     silent          ends without a call
 *     refuse          declines to answer
 *     rate-limited    fails with the service's own error, every time
 *     quota           the same: the account has no money left
 *     unauthorized    the same: the key is not valid
 *     overloaded      the same: the service has no room
 *     hang            never answers
 *
 * A conversation that has made its calls ends with a short message.
 */

export type Failure = 'rate-limited' | 'quota' | 'unauthorized' | 'overloaded';

export type Step =
  | { kind: 'call'; tool: string; args: Record<string, unknown> }
  | { kind: 'say'; text: string }
  | { kind: 'refuse'; text: string }
  | { kind: 'hang' }
  | { kind: 'fail'; failure: Failure };

const REPORT_TOOL = 'report_agent_job_result';

/** The line of the prompt that begins with a word, without that word. */
function lastLine(prompt: string, start: string): string | undefined {
  const lines = prompt.split('\n').map((line) => line.trim());
  return lines.findLast((line) => line.startsWith(start))?.slice(start.length);
}

function report(prompt: string, json: string, stop: boolean): Step {
  const args: Record<string, unknown> = {
    job_id: lastLine(prompt, 'job_id: ') ?? lastLine(prompt, 'Job ID: '),
    item_id: lastLine(prompt, 'item_id: ') ?? lastLine(prompt, 'Item ID: '),
    result: JSON.parse(json),
  };
  if (stop) args['stop'] = true;
  return { kind: 'call', tool: REPORT_TOOL, args };
}

function parse(prompt: string, step: string): Step {
  const [, word, rest] = /^(\S+)\s*(.*)$/.exec(step.trim()) ?? [];
  switch (word) {
    case 'report':
      return report(prompt, rest ?? '', false);
    case 'stop':
      return report(prompt, rest ?? '', true);
    case 'call': {
      const [, tool, json] = /^(\S+)\s+(.*)$/.exec(rest ?? '') ?? [];
      if (!tool || !json) throw new Error(`Not a call: ${step}`);
      return { kind: 'call', tool, args: JSON.parse(json) as Record<string, unknown> };
    }
    case 'tool-missing':
      return { kind: 'call', tool: 'no_such_tool', args: {} };
    case 'silent':
      return { kind: 'say', text: 'I have nothing to report.' };
    case 'refuse':
      return { kind: 'refuse', text: 'I cannot help with that.' };
    case 'hang':
      return { kind: 'hang' };
    case 'rate-limited':
    case 'quota':
    case 'unauthorized':
    case 'overloaded':
      return { kind: 'fail', failure: word };
    default:
      throw new Error(`A mock model knows no such step: ${step}`);
  }
}

/**
 * The next step of a conversation, by its prompt and how many calls have been answered in it. The
 * model remembers nothing: a request that is tried again has the same answer.
 */
export function nextStep(prompt: string, answered: number): Step {
  const steps = lastLine(prompt, 'MODEL ')?.split(' THEN ') ?? [];
  const step = steps[answered];
  return step === undefined ? { kind: 'say', text: 'Done.' } : parse(prompt, step);
}

/** The full name of the tool that a step calls. One that there is not keeps its short name. */
export function fullName(names: string[], tool: string): string {
  return names.find((name) => name === tool) ?? names.find((name) => name.endsWith(tool)) ?? tool;
}
