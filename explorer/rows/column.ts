/** Columns and cells of rows, as every page shows them. */

/** The kinds of columns, in the words of the server's tables. */
export type Kind = "string" | "decimal" | "int64" | "float64" | "bool" | "timestamp" | "date" | "list";

/** A value as it was sent. A number is a text where JavaScript would change its digits. */
export type Cell = string | number | boolean | null | Cell[];

export interface Column {
  name: string;
  kind: Kind;
  /** A word below the name. */
  hint?: string;
  /** The column with the currency of an amount; null if there is none, so that it has no sum. */
  currency?: string | null;
}

export const isNumber = ({ kind }: Column) => kind === "decimal" || kind === "int64" || kind === "float64";
export const isTime = ({ kind }: Column) => kind === "timestamp" || kind === "date";
export const isText = ({ kind }: Column) => kind === "string" || kind === "bool";

export const text = (cell: Cell): string => (cell === null ? "" : Array.isArray(cell) ? `[${cell.map(text).join(", ")}]` : String(cell));

export const counted = (count: number, one: string, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
