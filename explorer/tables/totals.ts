/** The totals of a table, as the server adds them up over all rows, and what a chart shows of them. */
import { type Column, isTime } from "./table";

export type Part = "hour" | "day" | "week" | "month" | "year";

export interface Choice {
  across: Column;
  part: Part | null;
  number: Column | null;
  by: Column | null;
}

/** A table, the query of its address, and the age in seconds that its rows may have; null for any. */
export interface Source {
  name: string;
  query: string;
  timezone: string;
  maxAge: () => number | null;
}

export interface Totals {
  labels: string[];
  series: { label: string; currency: string; data: number[] }[];
}

type Row = Record<string, string | number | boolean | null>;

const MOST_SERIES = 7;
const MOST_CATEGORIES = 30;
const MOST_LABELS = 4000;
const DAY = 86_400_000;

/** The query of the totals. A dot before a parameter keeps it apart from the variables of the saved query. */
export function queryOf({ query }: Source, { across, part, number, by }: Choice): string {
  const given = new URLSearchParams(query);
  given.append(".by", part ? `${across.name}.${part}` : across.name);
  if (by) given.append(".by", by.name);
  if (number) given.append(".sum", number.name);
  given.append(".count", "1");
  return given.toString();
}

/** The totals of a choice. They are complete, or an error. */
export async function totals(source: Source, choice: Choice): Promise<Totals> {
  const age = source.maxAge();
  const answer = await fetch(`/tables/${source.name}.json?${queryOf(source, choice)}`, {
    headers: age === null ? {} : { "cache-control": `max-age=${age}` },
  });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.errors?.[0]?.message ?? `The server answers ${answer.status}.`);
  return shaped(content, choice, source.timezone);
}

function shaped(rows: Row[], choice: Choice, timezone: string): Totals {
  const { across, part, number, by } = choice;
  const key = part ? `${across.name}_${part}` : across.name;
  const text = (value: Row[string] | undefined) => String(value ?? "—");
  const currency = (row: Row) => (number?.currency ? text(row[number.currency]) : "");
  const currencies = new Set(rows.map(currency));
  // Amounts of different currencies are never added, and never stand on each other.
  const name = (row: Row) => [...(by ? [text(row[by.name])] : []), ...(currencies.size > 1 ? [currency(row)] : [])].join(" · ");
  const counted = (of: (row: Row) => string) => {
    const counts = new Map<string, number>();
    for (const row of rows) counts.set(of(row), (counts.get(of(row)) ?? 0) + Number(row.count));
    return [...counts].sort((a, b) => b[1] - a[1]).map(([one]) => one);
  };
  const keys = part ? steps(rows.map((row) => row[key]), part) : counted((row) => text(row[key])).slice(0, MOST_CATEGORIES);
  const places = new Map(keys.map((one, place) => [one, place]));
  const names = counted(name);
  const kept = new Set(names.length > MOST_SERIES + 1 ? names.slice(0, MOST_SERIES) : names);
  const found = new Map<string, Totals["series"][number]>();
  for (const one of names) {
    const of = currency(rows.find((row) => name(row) === one)!);
    const label = kept.has(one) ? one : ["others", ...(currencies.size > 1 ? [of] : [])].join(" · ");
    if (!found.has(label)) found.set(label, { label: label || (number?.name ?? "rows"), currency: of, data: new Array(keys.length).fill(0) });
    found.set(one, found.get(label)!);
  }
  for (const row of rows) {
    const place = places.get(text(row[key]));
    const value = number ? row[`${number.name}_sum`] : row.count;
    if (place !== undefined) found.get(name(row))!.data[place]! += Number(value ?? 0);
  }
  return { labels: keys.map((one) => labelled(one, part, timezone)), series: [...new Set(found.values())] };
}

/** The keys of a time from the first to the last, also those without rows. */
function steps(given: (Row[string] | undefined)[], part: Part): string[] {
  const there = given.filter((one) => one != null).map(String).sort();
  const [first, last] = [there[0], there.at(-1)];
  if (first === undefined || last === undefined) return [];
  const all: string[] = [];
  for (let at = new Date(first); at <= new Date(last) && all.length < MOST_LABELS; ) {
    all.push(part === "hour" ? at.toISOString().replace(".000Z", "Z") : at.toISOString().slice(0, 10));
    if (part === "month") at.setUTCMonth(at.getUTCMonth() + 1);
    else if (part === "year") at.setUTCFullYear(at.getUTCFullYear() + 1);
    else at = new Date(at.getTime() + (part === "hour" ? DAY / 24 : part === "day" ? DAY : 7 * DAY));
  }
  return [...new Set([...all, ...there])].sort();
}

function labelled(key: string, part: Part | null, timezone: string): string {
  if (part === "month") return key.slice(0, 7);
  if (part === "year") return key.slice(0, 4);
  if (part !== "hour") return key;
  const form = new Intl.DateTimeFormat("en-CA", { timeZone: timezone, month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return form.format(new Date(key)).replace(", ", " ");
}

/** The columns that a chart can be made of. `few` are texts with few values among the first rows. */
export function choices(columns: Column[], rows: Record<string, unknown>[], isText: (column: Column) => boolean) {
  const few = columns.filter((column) => {
    if (!isText(column)) return false;
    const count = new Set(rows.map((row) => String(row[column.name] ?? "—"))).size;
    return count > 1 && count <= MOST_CATEGORIES && count < rows.length;
  });
  const named = columns.filter((column) => isText(column) && rows.length <= MOST_CATEGORIES && !/id$/i.test(column.name));
  const across = [...columns.filter(isTime), ...few, ...named.filter((column) => !few.includes(column))];
  // An amount without a currency in the table has no sum, and a float has none that is exact.
  const numbers = columns.filter((column) => /^(decimal|int)/.test(column.type) && column.currency !== null);
  return { across, numbers, few };
}
