/** The description of a table, as the server sends it, and the requests for its rows. */
import { send } from "../frame/requests";

export interface Column {
  name: string;
  type: string;
  nullable: boolean;
  description: string;
  values?: string[];
  /** The column with the currency of an amount; null if the query does not select it. */
  currency?: string | null;
}

export interface Parameter {
  name: string;
  type: string;
  required: boolean;
  repeatable: boolean;
  default: unknown;
  example: unknown;
  values?: string[];
}

export interface Brief {
  name: string;
  description: string;
  columns: string[];
  parameters: string[];
  required: string[];
  timed: boolean;
  formats: Record<string, string>;
}

export interface Table extends Omit<Brief, "columns" | "parameters"> {
  columns: Column[];
  parameters: Parameter[];
  window: { period: string[]; default: { frame?: string } | null } | null;
  document: string;
  timezone: string;
}

export type Row = Record<string, unknown>;

/** The first rows of a table, and the moment at which the oldest of them was read; null if the server read none. */
export interface First {
  rows: Row[];
  readAt: Date | null;
}

/**
 * The first rows of a table, by way of OData: whole or an error, never a stream cut short, and decimals as text. If they
 * are to be `fresh`, the server reads them again.
 */
export async function firstRows(table: string, query: string, most: number, fresh: boolean): Promise<First> {
  const path = `/odata/${table}?${query}${query ? "&" : ""}$top=${most}`;
  const headers: Record<string, string> = { accept: "application/json;IEEE754Compatible=true" };
  if (fresh) headers["cache-control"] = "no-cache";
  const answer = await send(path, { headers });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error?.message ?? content.errors?.[0]?.message ?? `The server answers ${answer.status}.`);
  const age = answer.headers.get("age");
  return { rows: content.value, readAt: age === null ? null : new Date(Date.now() - Number(age) * 1000) };
}

export const isTime = (column: Column) => column.type.startsWith("timestamp") || column.type.startsWith("date");
export const isNumber = (column: Column) => /^(decimal|int|double|float)/.test(column.type);
export const isText = (column: Column) => /^(string|dictionary|bool)/.test(column.type);

/** Return the name of a type in words. */
export function said(type: string): string {
  if (type.startsWith("dictionary")) return "enum";
  if (type.startsWith("timestamp")) return "timestamp, µs, UTC";
  if (type.startsWith("date")) return "date";
  return type.replace(/^list<item: (.*)>$/, "list of $1");
}
