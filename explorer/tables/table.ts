/** The description of a table, as the server sends it. */
import type { Kind, Column as ShownColumn } from "../rows/column";

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

/** Return a column as the grid and the chart know it. */
export function columnOf({ name, type, currency }: Column): ShownColumn {
  const kinds: [RegExp, Kind][] = [[/^decimal/, "decimal"], [/^int/, "int64"], [/^(double|float)/, "float64"], [/^bool/, "bool"], [/^timestamp/, "timestamp"], [/^date/, "date"], [/^list/, "list"]];
  const kind = kinds.find(([form]) => form.test(type))?.[1] ?? "string";
  return { name, kind, ...(currency === undefined ? {} : { currency }) };
}

/** Return the name of a type in words. */
export function said(type: string): string {
  if (type.startsWith("dictionary")) return "enum";
  if (type.startsWith("timestamp")) return "timestamp, µs, UTC";
  if (type.startsWith("date")) return "date";
  return type.replace(/^list<item: (.*)>$/, "list of $1");
}
