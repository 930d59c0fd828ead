/** When a service takes requests again, as its messages state it. */
import { parse } from 'chrono-node/en';

/** The longest limits count by the week: what lies further ahead was read wrongly. */
const MAX_AHEAD_MS = 8 * 86_400_000;
/** What is said behind the words that announce a time. */
const MAX_CHARS = 120;
/** A time may stand behind a word or two, as in "resets on Monday". */
const MAX_BETWEEN = 20;

const ANNOUNCED = /try again|retry|reset|refill|available|limit reached/gi;
/** `retry-after: 20`, `"resets_at":1788879437`, `limit reached|1762952400`. */
const NUMBER = /^(?:limit reached|[\w-]+)"?\s*[:=|]\s*"?(\d+(?:\.\d+)?)/i;
const ZONE = /\(([A-Za-z_]+(?:\/[A-Za-z_+-]+)*)\)/;

/**
 * @param message what an agent has said of a limit that it met.
 * @param now ms since the epoch. Times of the day are those of this host, unless a time zone is named.
 * @returns ms since the epoch; undefined where no time to come is stated.
 */
export function statedReset(message: string, now: number): number | undefined {
  // The last one: "rate limit reached …, try again in 20s".
  for (const { index } of [...message.matchAll(ANNOUNCED)].toReversed()) {
    const text = message.slice(index, index + MAX_CHARS);
    const reset = numbered(text, now) ?? said(text, now);
    if (reset !== undefined) return reset;
  }
  return undefined;
}

/** The same of a text that is nothing but the time: `20`, `20s`, `3pm`, `2026-11-26T14:00:00Z`, `1788879437`. */
export function resetOf(text: string, now: number): number | undefined {
  const number = Number(text);
  return text.trim() !== '' && Number.isFinite(number)
    ? ahead(pointInTime(number, now), now)
    : timeOf(text, now, MAX_AHEAD_MS);
}

/**
 * When something is to be, as people write it: `2h`, `18:00`, `10 days`; no number alone, which may mean either.
 * @param maxAheadMs what lies further ahead is taken as misread. @returns as {@link resetOf}.
 */
export function timeOf(text: string, now: number, maxAheadMs: number): number | undefined {
  if (/^\s*[\d.]*\s*$/.test(text)) return undefined;
  return said(`in ${text}`, now, maxAheadMs) ?? said(text, now, maxAheadMs);
}

function numbered(text: string, now: number): number | undefined {
  const found = NUMBER.exec(text);
  return found === null ? undefined : ahead(pointInTime(Number(found[1]), now), now);
}

/** Numbers are seconds from now, or since the epoch, or milliseconds since then. */
function pointInTime(number: number, now: number): number {
  if (number >= 1e12) return number;
  return number >= 1e9 ? number * 1000 : now + number * 1000;
}

function said(text: string, now: number, maxAheadMs = MAX_AHEAD_MS): number | undefined {
  const zone = ZONE.exec(text)?.[1];
  const offset = zone === undefined ? undefined : zoneMinutes(zone, now);
  const instant = new Date(now);
  const reference = offset === undefined ? instant : { instant, timezone: offset };
  const found = parse(text, reference)[0];
  if (found === undefined || found.index > MAX_BETWEEN) return undefined;
  const time = found.date().getTime();
  if (time > now || found.start.isCertain('day')) return ahead(time, now, maxAheadMs);
  // A time of the day that has just passed was cut to the minute, and is no time of tomorrow.
  return now - time < 900_000 ? undefined : ahead(time + 86_400_000, now, maxAheadMs);
}

/** @returns undefined where there is no such time zone. */
function zoneMinutes(timeZone: string, now: number): number | undefined {
  try {
    const format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' });
    const name = format.formatToParts(now).find(({ type }) => type === 'timeZoneName')!.value;
    const [, sign, hours, minutes] = /([+-])(\d+):(\d+)/.exec(name) ?? ['', '+', '0', '0'];
    return (sign === '-' ? -1 : 1) * (60 * Number(hours) + Number(minutes));
  } catch {
    return undefined;
  }
}

function ahead(time: number, now: number, maxAheadMs = MAX_AHEAD_MS): number | undefined {
  return time > now && time - now <= maxAheadMs ? time : undefined;
}
