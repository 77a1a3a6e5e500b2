/** What the server tells of a table, and how its rows are asked for. */

export interface Column {
  name: string;
  type: string;
  nullable: boolean;
  description: string;
  values?: string[];
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
}

export type Row = Record<string, unknown>;

/** An answer as JSON; its error is told by its own words. */
export async function told<T>(path: string): Promise<T> {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.errors?.[0]?.message ?? `The server answers ${answer.status}.`);
  return content;
}

/** The rows of an address, as NDJSON brings them. */
export async function rowsOf(path: string): Promise<Row[]> {
  const answer = await fetch(path);
  const text = await answer.text();
  if (!answer.ok) throw new Error(JSON.parse(text).errors?.[0]?.message ?? `The server answers ${answer.status}.`);
  const rows: Row[] = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const failed = rows.at(-1)?.["error"];
  if (failed) throw new Error((failed as { message: string }).message);
  return rows;
}

export const isTime = (column: Column) => column.type.startsWith("timestamp") || column.type.startsWith("date");
export const isNumber = (column: Column) => /^(decimal|int|double|float)/.test(column.type);
export const isText = (column: Column) => /^(string|dictionary|bool)/.test(column.type);

/** A type as people say it. */
export function said(type: string): string {
  if (type.startsWith("dictionary")) return "enum";
  if (type.startsWith("timestamp")) return "timestamp, µs, UTC";
  if (type.startsWith("date")) return "date";
  return type.replace(/^list<item: (.*)>$/, "list of $1");
}
