/** Moments on the wall clock of the business, whatever the zone of the browser. */

/** How far a zone is ahead of UTC at a moment, in minutes. */
function offset(moment: number, zone: string): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  }).formatToParts(moment);
  const part = (type: string) => Number(parts.find((each) => each.type === type)?.value);
  const wall = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
  return Math.round((wall - Math.floor(moment / 1000) * 1000) / 60_000);
}

const two = (value: number) => String(value).padStart(2, "0");

/** The moment at which the clock shows `2026-03-01T12:30`: `2026-03-01T12:30:00+01:00`. */
export function momentOf(wall: string, zone: string): string {
  const clock = wall.length === 16 ? `${wall}:00` : wall;
  const utc = Date.parse(`${clock}Z`);
  if (Number.isNaN(utc)) return wall;
  // The offset at that moment, which is known only by its offset: the second look is right but in the hour of a change.
  const minutes = offset(utc - offset(utc, zone) * 60_000, zone);
  const sign = minutes < 0 ? "-" : "+";
  const size = Math.abs(minutes);
  return `${clock}${sign}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** What the clock shows at a moment: `2026-03-01T12:30`; empty for a text that is no moment. */
export function wallOf(moment: string, zone: string): string {
  const at = Date.parse(moment);
  return Number.isNaN(at) ? "" : new Date(at + offset(at, zone) * 60_000).toISOString().slice(0, 16);
}

/** The day of business today: `2026-03-01`. */
export function today(zone: string): string {
  return wallOf(new Date().toISOString(), zone).slice(0, 10);
}
