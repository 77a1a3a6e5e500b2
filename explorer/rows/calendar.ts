/** Moments in the business time zone: their days, and the parts of the calendar that charts have. */

export type Part = "hour" | "day" | "week" | "month" | "year";
export const PARTS: Part[] = ["hour", "day", "week", "month", "year"];

const QUARTER = 900_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
const MOST_KEYS = 4000;

const clocks = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, Map<number, number>>();

/** Return the offset of a zone at a moment, in milliseconds. Offsets change at quarters of an hour only. */
export function offsetOf(moment: number, zone: string): number {
  const quarter = Math.floor(moment / QUARTER);
  let there = offsets.get(zone);
  if (!there) offsets.set(zone, (there = new Map()));
  const known = there.get(quarter);
  if (known !== undefined) return known;
  let clock = clocks.get(zone);
  if (!clock) {
    clock = new Intl.DateTimeFormat("en-CA", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
    clocks.set(zone, clock);
  }
  const at = quarter * QUARTER;
  const found = Object.fromEntries(clock.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const offset = Date.UTC(found.year!, found.month! - 1, found.day!, found.hour!, found.minute!, found.second!) - at;
  there.set(quarter, offset);
  return offset;
}

/** Return a moment as a clock of the zone shows it: "2026-03-01T06:00:00". */
export const local = (moment: number, zone: string) => new Date(moment + offsetOf(moment, zone)).toISOString().slice(0, 19);

/** Return the moment that a clock of the zone shows; the first one if the clock shows it twice. */
export function moment(shown: string, zone: string): number {
  const wall = Date.parse(`${shown.length === 10 ? `${shown}T00:00` : shown}Z`);
  const found = [offsetOf(wall - DAY, zone), offsetOf(wall + DAY, zone)].map((offset) => wall - offset);
  return found.find((one) => one + offsetOf(one, zone) === wall) ?? found[0]!;
}

/** Return a moment with the offset that the zone has then: "2026-03-01T06:00:00+01:00". */
export function withOffset(at: number, zone: string): string {
  const minutes = Math.round(offsetOf(at, zone) / 60_000);
  const clock = (count: number) => String(count).padStart(2, "0");
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${local(at, zone)}${minutes < 0 ? "-" : "+"}${clock(hours)}:${clock(rest)}`;
}

/** Return the key of the part of the calendar that has a time: a date, or the moment at which the hour begins. */
export function keyOf(time: string, part: Part, zone: string): string {
  let day = time.slice(0, 10);
  if (time.length > 10) {
    const at = Date.parse(time);
    const wall = at + offsetOf(at, zone);
    if (part === "hour") return written(Math.floor(wall / HOUR) * HOUR - offsetOf(at, zone));
    day = new Date(wall).toISOString().slice(0, 10);
  }
  if (part === "month") return `${day.slice(0, 7)}-01`;
  if (part === "year") return `${day.slice(0, 4)}-01-01`;
  if (part !== "week") return day;
  const date = new Date(day);
  return new Date(date.getTime() - ((date.getUTCDay() + 6) % 7) * DAY).toISOString().slice(0, 10);
}

const written = (at: number) => new Date(at).toISOString().replace(".000Z", "Z");

/** Return the keys from the first to the last one, also those that no row has. */
export function between(keys: string[], part: Part): string[] {
  const there = [...new Set(keys)].sort();
  const [first, last] = [there[0], there.at(-1)];
  if (first === undefined || last === undefined) return [];
  const all: string[] = [];
  for (let at = new Date(first); at <= new Date(last) && all.length < MOST_KEYS; ) {
    all.push(part === "hour" ? written(at.getTime()) : at.toISOString().slice(0, 10));
    if (part === "month") at.setUTCMonth(at.getUTCMonth() + 1);
    else if (part === "year") at.setUTCFullYear(at.getUTCFullYear() + 1);
    else at = new Date(at.getTime() + (part === "hour" ? HOUR : part === "day" ? DAY : 7 * DAY));
  }
  return [...new Set([...all, ...there])].sort();
}

/** Return a key as people read it. */
export function labelled(key: string, part: Part, zone: string): string {
  if (part === "month") return key.slice(0, 7);
  if (part === "year") return key.slice(0, 4);
  return part === "hour" ? local(Date.parse(key), zone).slice(5, 16).replace("T", " ") : key;
}
