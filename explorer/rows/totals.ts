/** The totals of a chart: sums of a number across a time or a category, exact, in one or several series. */
import { type Part, between, labelled } from "./calendar";
import type { Column } from "./column";
import { Sum, compareNumbers } from "./decimal";

/** What a chart is made of. Without a number it counts rows. `top` limits the categories; null shows all. */
export interface Choice {
  across: Column;
  part: Part | null;
  numbers: Column[];
  by: Column | null;
  top: number | null;
}

/** A figure to add: its place across, its series, its currency, and the number of rows that it stands for. */
export interface Entry {
  key: string | null;
  name: string;
  currency: string;
  value: string;
  count: number;
}

/** A line, or the bars of one colour. Bars of the same currency may stand on each other. */
export interface Series {
  label: string;
  currency: string;
  values: (string | null)[];
}

export interface Totals {
  labels: string[];
  series: Series[];
  /** The categories and the series that are together as "others": the last label, and the last series. */
  others: { labels: number; series: number };
  /** Whether a figure is the sum of several rows. */
  added: boolean;
}

const MOST_SERIES = 7;
/** More categories than these are not drawn, whatever is chosen. */
const MOST_LABELS = 1000;
const NONE = "—";

/**
 * Return the totals of entries. Amounts of different currencies are never added. `missing` is what a place without
 * entries has.
 */
export function totalsOf(entries: Entry[], { across, part, numbers, top }: Choice, zone: string, missing: string | null): Totals {
  const keyOf = ({ key }: Entry) => key ?? NONE;
  const currencies = new Set(entries.map(({ currency }) => currency));
  const named = ({ name, currency }: Entry) => [...(name ? [name] : []), ...(currencies.size > 1 ? [currency || NONE] : [])].join(" · ");
  const keys = part ? between(entries.flatMap(({ key }) => key ?? []), part) : ranked(entries, keyOf, currencies.size === 1);
  const shown = part ? keys : keys.slice(0, Math.min(top ?? MOST_LABELS, MOST_LABELS));
  const more = keys.length - shown.length;
  const names = ranked(entries, named, false);
  const kept = new Set(names.length > MOST_SERIES + 1 ? names.slice(0, MOST_SERIES) : names);
  const places = new Map(shown.map((key, place) => [key, place]));
  const sums = new Map<string, { currency: string; sums: (Sum | null)[] }>();
  let added = false;
  for (const entry of entries) {
    const name = named(entry);
    const label = kept.has(name) ? name : ["others", ...(currencies.size > 1 ? [entry.currency || NONE] : [])].join(" · ");
    let series = sums.get(label);
    if (!series) sums.set(label, (series = { currency: entry.currency, sums: new Array(shown.length + (more ? 1 : 0)).fill(null) }));
    const place = places.get(keyOf(entry)) ?? (part ? undefined : shown.length);
    if (place === undefined) continue;
    added ||= entry.count > 1 || series.sums[place] !== null;
    series.sums[place] = (series.sums[place] ?? new Sum()).add(entry.value);
  }
  const fallback = numbers.length === 1 ? numbers[0]!.name : numbers.length ? across.name : "rows";
  const order = [...names.filter((name) => kept.has(name)), ...[...sums.keys()].filter((label) => !kept.has(label))];
  return {
    labels: [...shown.map((key) => (part && key !== NONE ? labelled(key, part, zone) : key)), ...(more ? [`${more.toLocaleString("en")} others`] : [])],
    series: order.map((label) => {
      const { currency, sums: found } = sums.get(label)!;
      return { label: label || fallback, currency, values: found.map((sum) => sum?.text ?? missing) };
    }),
    others: { labels: more, series: names.length - kept.size },
    added,
  };
}

/** Return the names of entries: those with the largest figures first, or those with the most rows. */
function ranked(entries: Entry[], of: (entry: Entry) => string, byValue: boolean): string[] {
  const sums = new Map<string, Sum>();
  for (const entry of entries) {
    const name = of(entry);
    let sum = sums.get(name);
    if (!sum) sums.set(name, (sum = new Sum()));
    sum.add(byValue ? entry.value : String(entry.count));
  }
  const texts = new Map([...sums].map(([name, sum]) => [name, sum.text]));
  return [...texts.keys()].sort((a, b) => compareNumbers(texts.get(b)!, texts.get(a)!));
}
