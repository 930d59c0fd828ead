/** The pure rules of the vocabulary. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clip, defaultOutputPath, jobIdProblem, verdictOf } from '../src/job.js';

test('a job ID is 1 to 128 characters that are safe in paths and workflow IDs', () => {
  for (const id of [
    'a',
    'A-1_b.c',
    '..a',
    '-',
    'x'.repeat(128),
    '0f9d3b1e-1111-4222-8333-444455556666',
  ]) {
    assert.equal(jobIdProblem(id), undefined, id);
  }
  const characters = 'a job ID is 1 to 128 characters of A-Z a-z 0-9 . _ -';
  for (const id of ['', 'x'.repeat(129), 'a/b', 'a b', 'ä', 'a\n', 'a%2Fb', '~']) {
    assert.equal(jobIdProblem(id), characters, id);
  }
  for (const id of ['.', '..', '...']) assert.equal(jobIdProblem(id), 'a job ID is more than dots');
});

test('the output goes beside the input', () => {
  const cases: [input: string, output: string][] = [
    ['/data/tickets.csv', '/data/tickets.agent-job-01234567.csv'],
    ['/data/tickets.jsonl', '/data/tickets.agent-job-01234567.csv'],
    ['/a.b/tickets', '/a.b/tickets.agent-job-01234567.csv'],
    ['/data/a.b.csv', '/data/a.b.agent-job-01234567.csv'],
    ['/data/.csv', '/data/.csv.agent-job-01234567.csv'],
    ['/in.csv', '/in.agent-job-01234567.csv'],
  ];
  for (const [input, output] of cases) {
    assert.equal(defaultOutputPath(input, '0123456789'), output);
  }
  assert.equal(defaultOutputPath('/in.csv', 'j'), '/in.agent-job-j.csv');
});

test('the verdict is the first rule that matches', () => {
  const cases: [
    completed: number,
    failed: number,
    cancelled: number,
    total: number,
    asked: boolean,
    verdict: string,
    halted?: true,
  ][] = [
    [3, 0, 0, 3, false, 'succeeded'],
    [2, 1, 0, 3, false, 'partial'],
    [2, 0, 1, 3, false, 'partial'],
    [0, 0, 3, 3, false, 'partial'],
    [0, 3, 0, 3, false, 'failed'],
    [0, 1, 2, 3, false, 'failed'],
    // Rows left pending: stopped, unless all that ended has failed.
    [1, 0, 0, 3, false, 'stopped'],
    [1, 1, 0, 3, false, 'stopped'],
    [0, 0, 0, 3, false, 'stopped'],
    [0, 0, 1, 3, false, 'stopped'],
    [0, 1, 0, 3, false, 'failed'],
    // Asked to be cancelled: only where that cost a row.
    [1, 0, 0, 3, true, 'cancelled'],
    [0, 0, 0, 3, true, 'cancelled'],
    [2, 0, 1, 3, true, 'cancelled'],
    [0, 2, 1, 3, true, 'cancelled'],
    [0, 2, 0, 3, true, 'cancelled'],
    [3, 0, 0, 3, true, 'succeeded'],
    [2, 1, 0, 3, true, 'partial'],
    [0, 3, 0, 3, true, 'failed'],
    // More have failed than are tolerated.
    [9, 1, 0, 10, false, 'failed', true],
    [1, 1, 0, 10, false, 'failed', true],
    [1, 1, 0, 10, true, 'cancelled', true],
  ];
  for (const [completed, failed, cancelled, total, asked, verdict, halted = false] of cases) {
    const counts = { completed, failed, cancelled };
    const job = { counts, total, cancelled: asked, halted };
    assert.equal(verdictOf(job), verdict, JSON.stringify(job));
  }
});

test('a text is cut within its limit, and never inside a character', () => {
  assert.equal(clip('abc', 3), 'abc');
  assert.equal(clip('abcd', 3), 'ab…');
  const cut = clip('a🦊bcd', 3);
  assert.equal(cut.length, 3);
  assert.ok(cut.isWellFormed());
  assert.ok(cut.endsWith('…'));
});
