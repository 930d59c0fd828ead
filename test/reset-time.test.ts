/** When a service takes requests again, as agents say it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PROGRAMS } from '../src/agent/presets/programs.js';
import { resetOf, statedReset, timeOf } from '../src/reset-time.js';

/** On this host's clock, by which programs tell the time of the day. */
const local = (day: number, hours: number, minutes = 0, seconds = 0) =>
  new Date(2026, 10, day, hours, minutes, seconds).getTime();
const NOW = local(25, 14);
const after = (seconds: number) => NOW + 1000 * seconds;
const utc = (time: string) => Date.parse(time);

function check(cases: [text: string, reset: number | undefined][], read = statedReset, now = NOW) {
  for (const [text, reset] of cases) assert.equal(read(text, now), reset, text);
}

test('what Codex says', () => {
  check([
    ["You've hit your usage limit. Try again at 3:05 PM.", local(25, 15, 5)],
    [
      "You've hit your usage limit. Upgrade to Pro (https://openai.com/chatgpt/pricing), visit " +
        'https://chatgpt.com/codex/settings/usage to purchase more credits or try again at Nov 27th, 2026 9:30 AM.',
      local(27, 9, 30),
    ],
    ["You've hit your usage limit. Try again later.", undefined],
    [
      'Rate limit reached for gpt-5 in organization org-1 on tokens per min (TPM): Limit 30000, ' +
        'Used 22999, Requested 12528. Please try again in 11.054s. Visit https://platform.openai.com',
      after(11.054),
    ],
    ['Rate limit reached. Please try again in 1m30s.', after(90)],
    ["You've hit your usage limit. Try again in 3 days 4 hours 5 minutes.", after(273_900)],
    ['exceeded retry limit, last status: 429 Too Many Requests', undefined],
    ['Quota exceeded. Check your plan and billing details.', undefined],
  ]);
});

test('what Claude Code says', () => {
  check(
    [
      ["You've hit your limit · resets 3pm (UTC)", utc('2026-11-25T15:00:00Z')],
      ["You've hit your limit · resets 2pm (Asia/Shanghai)", utc('2026-11-26T06:00:00Z')],
      ['5-hour limit reached ∙ resets 1:30pm (America/Los_Angeles)', utc('2026-11-25T21:30:00Z')],
      ["You've hit your limit · resets Nov 30, 8am (Europe/Berlin)", utc('2026-11-30T07:00:00Z')],
      ['Claude AI usage limit reached|1795640400', utc('2026-11-25T21:00:00Z')],
    ],
    statedReset,
    utc('2026-11-25T13:00:00Z'),
  );
});

test('the limit that Claude Code tells of in an event of its own', () => {
  const told = (...events: object[]) => {
    const reader = PROGRAMS.claude.reader();
    for (const event of events) reader.line(JSON.stringify(event));
    return reader.told('');
  };
  const limit = (status: string) => ({
    type: 'rate_limit_event',
    rate_limit_info: { status, resetsAt: 1_795_640_400, rateLimitType: 'five_hour' },
  });
  const refused = { type: 'result', is_error: true, result: "You've hit your limit · resets 9pm" };
  const { failure_class, resets_at } = told(limit('rejected'), refused);
  assert.deepEqual([failure_class, resets_at], ['quota', utc('2026-11-25T21:00:00Z')]);
  // It is only nearer than it was.
  const nearer = told(limit('allowed_warning'), { ...refused, result: 'refused' });
  assert.deepEqual([nearer.failure_class, nearer.resets_at], [undefined, undefined]);
});

test('what others say', () => {
  check([
    ['HTTP 429, retry-after: 12', after(12)],
    ['{"error":{"type":"usage_limit_reached","resets_in_seconds":9568}}', after(9568)],
    [`{"resets_at":${NOW / 1000 + 60}}`, after(60)],
    ['the limit resets at 2026-11-25T23:00:00Z, sorry', utc('2026-11-25T23:00:00Z')],
    ['resets tomorrow at 5am', local(26, 5)],
    ['no more requests are available until 18:00', local(25, 18)],
    ['Reset your password by 18:00', undefined],
    ['the model is overloaded', undefined],
  ]);
});

test('a time alone', () => {
  check(
    [
      ['20', after(20)],
      ['1.5', after(1.5)],
      ['20s', after(20)],
      ['2h 10m', after(7800)],
      ['3pm', local(25, 15)],
      ['2026-11-25T23:00:00Z', utc('2026-11-25T23:00:00Z')],
      [String(after(60)), after(60)],
      [String(after(60) / 1000), after(60)],
      ['soon', undefined],
      ['', undefined],
    ],
    resetOf,
  );
});

test('when something is to be, as far ahead as it may be', () => {
  const YEAR = 366 * 86_400_000;
  check(
    [
      ['2h', after(7200)],
      ['18:00', local(25, 18)],
      ['10 days', after(864_000)],
      ['10d', after(864_000)],
      ['240h', after(864_000)],
      ['400 days', undefined],
      ['18', undefined],
      ['', undefined],
    ],
    (text, now) => timeOf(text, now, YEAR),
  );
});

test('a time that cannot be meant', () => {
  check([
    // It has just passed: cut to the minute, it is no time of tomorrow.
    ['Try again at 1:59 PM.', undefined],
    ['Try again at 9:00 AM.', local(26, 9)],
    ['Try again at Nov 24th, 2026 9:30 AM.', undefined],
    ['resets_at: 4000000000', undefined],
    ['resets Nov 25, 2031', undefined],
    ['try again in 0s', undefined],
  ]);
});
