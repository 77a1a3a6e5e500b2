/** Moments in words. */

/** Return a span of seconds in words: "3 minutes". */
export function lasting(seconds: number): string {
  const units: [string, number][] = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [unit, length] = units.find(([, length]) => seconds >= length) ?? units[3]!;
  const count = Math.max(Math.floor(seconds / length), 0);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** Return how long ago something was read, in words. */
export function ago(moment: Date, now = new Date()): string {
  return `read ${lasting((now.getTime() - moment.getTime()) / 1000)} ago`;
}
