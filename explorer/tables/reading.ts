/**
 * Read the rows of a table by way of OData, which sorts, filters and cuts the whole window on the server. An answer is
 * whole or an error, and its decimals are texts.
 */
import { pathOf } from "../frame/address";
import { send } from "../frame/requests";
import type { Cell, Column } from "../rows/column";
import type { RowSource } from "../rows/grid";
import type { Order } from "../rows/sorting";
import { type Filter, condition } from "./filters";

/** When the oldest of the read rows was read, and what it took to read them from the upstreams. */
export interface Reading {
  readAt: Date | null;
  cost: Cost | null;
}

export interface Cost {
  calls: number;
  held: number;
  rows: number;
  milliseconds: number;
}

interface Rows {
  value: Record<string, Cell>[];
  "@odata.count"?: number | string;
  "@odata.nextLink"?: string;
}

const COST = /upstream;dur=([\d.]+);desc="(\d+) calls, (\d+) held, (\d+) rows"/;

async function load(path: string, fresh: boolean): Promise<{ content: Rows; reading: Reading }> {
  const headers: Record<string, string> = { accept: "application/json;IEEE754Compatible=true" };
  if (fresh) headers["cache-control"] = "no-cache";
  const answer = await send(path, { headers });
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.error?.message ?? content.errors?.[0]?.message ?? `The server answers ${answer.status}.`);
  const age = answer.headers.get("age");
  const cost = COST.exec(answer.headers.get("server-timing") ?? "");
  return {
    content,
    reading: {
      readAt: age === null ? null : new Date(Date.now() - Number(age) * 1000),
      cost: cost && { milliseconds: Number(cost[1]), calls: Number(cost[2]), held: Number(cost[3]), rows: Number(cost[4]) },
    },
  };
}

/**
 * Return the rows of a table for a query of its address. `noted` is told about each reading. The first reading is
 * `fresh` if the server shall read the rows again.
 */
export function rowsOf(table: string, query: string, columns: Column[], filters: Filter[], noted: (reading: Reading) => void, fresh = false): RowSource {
  let again = fresh;
  const path = (shown: Column[], order: Order | null, more: Record<string, string>) => {
    const options = new URLSearchParams(query);
    const filter = condition(filters, columns);
    if (filter) options.set("$filter", filter);
    if (order && columns.some(({ name }) => name === order.column)) options.set("$orderby", order.column + (order.descending ? " desc" : ""));
    if (shown.length < columns.length) options.set("$select", shown.map(({ name }) => name).join(","));
    for (const [name, value] of Object.entries(more)) options.set(name, value);
    return `/odata/${table}?${options}`;
  };
  const cells = (value: Rows["value"], shown: Column[]) => value.map((row) => shown.map(({ name }) => row[name] ?? null));
  return {
    columns,
    page: async (shown, order, from, size) => {
      const { content, reading } = await load(path(shown, order, { $count: "true", $top: String(size), $skip: String(from) }), again);
      again = false;
      noted(reading);
      return { rows: cells(content.value, shown), count: Number(content["@odata.count"]) };
    },
    async *all(shown, order, most) {
      let left = most;
      let next: string | undefined = path(shown, order, Number.isFinite(most) ? { $top: String(most) } : {});
      while (next && left > 0) {
        const { content }: { content: Rows } = await load(next, false);
        yield cells(content.value, shown);
        left -= content.value.length;
        const link: string | undefined = content["@odata.nextLink"];
        const address = link && new URL(link, location.href);
        next = address ? pathOf(address.pathname) + address.search : undefined; // by the way on which this page came
      }
    },
  };
}
