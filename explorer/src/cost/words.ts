/** Figures as people read them, and what is said about a call. */
import type { Call, Reading, Run, Way } from "./run";

const SLOW_SECONDS = 1;
const SLOW_FACTOR = 4;
const SLOW_AT_LEAST = 0.2;

const counted = new Intl.NumberFormat("en-US");

/** Return a whole number with its thousands separated. */
export const number = (value: number): string => counted.format(value);

/** Return a number of things: "1 call", "2,000 calls". */
export const things = (value: number, name: string): string => `${number(value)} ${name}${value === 1 ? "" : "s"}`;

export function duration(seconds: number): string {
  if (seconds >= 10) {
    return `${seconds.toFixed(0)} s`;
  }
  if (seconds >= 1) {
    return `${seconds.toFixed(2)} s`;
  }
  return seconds >= 0.1 || seconds === 0 ? `${Math.round(seconds * 1000)} ms` : `${(seconds * 1000).toFixed(1)} ms`;
}

export function size(bytes: number): string {
  if (bytes < 1000) {
    return `${bytes} B`;
  }
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

export function age(seconds: number): string {
  if (seconds < 1) {
    return "now";
  }
  if (seconds < 120) {
    return things(Math.round(seconds), "second");
  }
  return seconds < 7200 ? things(Math.round(seconds / 60), "minute") : things(Math.round(seconds / 3600), "hour");
}

/** Return whether a call took far longer than its price, or long by any measure. */
export const isSlow = ({ seconds, price }: Call): boolean =>
  seconds >= SLOW_SECONDS || (seconds >= SLOW_AT_LEAST && price > 0 && seconds >= SLOW_FACTOR * price);

/** Return the word for the state of a call. */
export function state(call: Call): "failed" | "slow" | "from the cache" | "out of date" | "" {
  if (call.error !== undefined) {
    return "failed";
  }
  if (call.cache === "stale") {
    return "out of date";
  }
  if (call.requests === 0 && call.cache === "hit") {
    return "from the cache";
  }
  return isSlow(call) ? "slow" : "";
}

/** Return the scope of a call: its parameters and its period. */
export function scope({ parameters, from, until, agent }: Pick<Call, "parameters" | "from" | "until" | "agent">): string {
  const said = Object.entries(parameters).map(([name, value]) => `${name} ${several(value)}`);
  if (agent) {
    said.push(`agent ${agent}`);
  }
  if (from && until) {
    said.push(period(from, until));
  }
  return said.join(", ") || "all";
}

function several(value: unknown): string {
  if (value !== null && typeof value === "object" && "distinct" in value) {
    return `(${String(value.distinct)} of them)`;
  }
  return String(value);
}

const MIDNIGHT = /^(\d{4}-\d\d-\d\d)T00:00:00(?:Z|[+-]\d\d:\d\d)$/;
const DAY = 86_400_000;

/** Return a period: the days of it if it has whole days, else its two moments. */
function period(from: string, until: string): string {
  const first = MIDNIGHT.exec(from)?.[1];
  const after = MIDNIGHT.exec(until)?.[1];
  if (!first || !after) {
    return `${moment(from)} to ${moment(until)}`;
  }
  const last = new Date(Date.parse(after) - DAY).toISOString().slice(0, 10);
  return last === first ? first : `${first} to ${last}`;
}

/** Return a moment without its seconds, if they are zero, and with its zone. */
function moment(text: string): string {
  const found = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(?:\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (!found) {
    return text;
  }
  const [, day, minutes, seconds, zone] = found;
  return `${day} ${minutes}${seconds && seconds !== ":00" ? seconds : ""}${zone === "+00:00" || zone === "Z" ? " UTC" : ` UTC${zone}`}`;
}

/** Return how a way reads its keys. */
export const wayName = (way: string): string =>
  ({ per_key: "one call per key", bulk: "one call for all keys", kept: "kept sums", "": "one call" })[way] ?? way;

export const rejection = ({ way, report, calls, price }: Way): string =>
  `${things(calls, "call")} of ${report}, ${wayName(way)}: ${duration(price)}`;

/** Return the age in seconds of the oldest of the readings; undefined if there are none. */
export function oldest(readings: readonly Reading[], at: number): number | undefined {
  const moments = readings.map((one) => Date.parse(one.readAt));
  return moments.length ? Math.max(0, (at - Math.min(...moments)) / 1000) : undefined;
}

/** Return the age in seconds of the oldest row of a call. */
export function ageOf(call: Call, run: Run): number | undefined {
  const day = (text: string) => text.slice(0, 10);
  return oldest(
    (run.freshness ?? []).filter(
      ({ report, from, to }) =>
        report === call.report && (!from || !to || !call.from || !call.until || (from <= day(call.until) && to >= day(call.from))),
    ),
    run.at,
  );
}

/** Return the sums of the calls of a run. */
export function totals(calls: readonly Call[]) {
  const made = calls.filter((call) => call.requests > 0 || (call.cache !== "hit" && call.error === undefined));
  return {
    made: made.length,
    cached: calls.length - made.length,
    rows: calls.reduce((sum, call) => sum + call.rows, 0),
    bytes: calls.reduce((sum, call) => sum + call.bytes, 0),
    end: Math.max(0, ...calls.map((call) => call.start + call.seconds)),
    failed: calls.filter((call) => call.error !== undefined).length,
  };
}
