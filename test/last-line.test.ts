/** What an agent has said last, as its heartbeats carry it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastLineOf } from '../src/activities/last-line.js';
import { OutputTail } from '../src/agent/output-tail.js';
import type { RunningAgent } from '../src/agent/running-agent.js';

const AGENT = { command: ['agent'] };

function printed(...parts: string[]): RunningAgent {
  const output = new OutputTail(1024 * 1024);
  for (const part of parts) output.add(Buffer.from(part));
  return {
    output,
    exited: new Promise(() => {}),
    lastSignAt: 0,
    alive: async () => true,
    lastLine: () => output.lastLine(),
    end: async () => {},
  };
}

const message = (text: string) =>
  `${JSON.stringify({ type: 'item.completed', item: { type: 'agent_message', text } })}\n`;

test('of a command, the last line that is not blank, short and in one line', () => {
  assert.equal(lastLineOf(printed(), AGENT), '');
  assert.equal(lastLineOf(printed('one\ntwo\t', 'three\n\n'), AGENT), 'two three');
  assert.equal(lastLineOf(printed(' 10 %\r 20 %\r'), AGENT), '20 %');
  assert.equal(lastLineOf(printed('x'.repeat(5000)), AGENT).length, 200);
});

test('of a program that is known, what its events say to people', () => {
  const codex = { preset: 'codex' } as const;
  const usage = '{"type":"turn.completed","usage":{"input_tokens":7}}\n';
  assert.equal(lastLineOf(printed(message('Reading.'), message('Done.'), usage), codex), 'Done.');
  assert.equal(lastLineOf(printed(message('Long.'), message('x'.repeat(70_000))), codex), '');
  assert.equal(
    lastLineOf(printed(message('x'.repeat(70_000)), message('Short.')), codex),
    'Short.',
  );
  assert.equal(lastLineOf(printed('{"type":'), codex), '{"type":');
});
