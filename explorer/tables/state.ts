/**
 * What a person chose on the page of a table. It stands in the fragment of the address, so that the address shows the
 * same to somebody else, and its query is the query of the table's files.
 */
import type { ChartState } from "../rows/chart";
import type { GridState } from "../rows/grid";
import { type Filter, readFilter, writtenFilter } from "./filters";

export interface PageState {
  grid: GridState;
  filters: Filter[];
  chart: ChartState;
}

const CHART = ["kind", "number", "across", "per", "by", "top"] as const;

export function readState(fragment: string): PageState {
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  const sort = given.get("sort");
  const chart: ChartState = {};
  for (const name of CHART) {
    const value = given.get(name);
    if (value !== null) chart[name] = value;
  }
  return {
    grid: {
      order: sort ? { column: sort.replace(/^-/, ""), descending: sort.startsWith("-") } : null,
      shown: given.get("show")?.split(",") ?? null,
      page: Math.max(Math.floor(Number(given.get("page") ?? 1)) || 1, 1) - 1,
    },
    filters: given.getAll("where").flatMap((one) => readFilter(one) ?? []),
    chart,
  };
}

export function written({ grid: { order, shown, page }, filters, chart }: PageState): string {
  const pairs: [string, string][] = [
    ...filters.map((one): [string, string] => ["where", writtenFilter(one)]),
    ...(order ? [["sort", (order.descending ? "-" : "") + order.column] as [string, string]] : []),
    ...(shown ? [["show", shown.join(",")] as [string, string]] : []),
    ...(page ? [["page", String(page + 1)] as [string, string]] : []),
    ...Object.entries(chart),
  ];
  const text = new URLSearchParams(pairs).toString();
  return text && `#${text}`;
}

/** Show what was chosen in the address. */
export function keep(query: string, state: PageState): void {
  history.replaceState(null, "", location.pathname + (query && `?${query}`) + written(state));
}
