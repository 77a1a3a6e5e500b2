/** A result as the grid and the chart know it. */
import { chart } from "../rows/chart";
import { type Column, type Kind, counted } from "../rows/column";
import { figuresOf } from "../rows/figures";
import { grid, kept } from "../rows/grid";
import type { Result, ResultColumn } from "./requests";

const KINDS: [RegExp, Kind][] = [
  [/\[\]$|^(STRUCT|MAP|LIST)/, "list"],
  [/^DECIMAL/, "decimal"],
  [/^(U?(TINY|SMALL|BIG|HUGE)?INT|U?INTEGER)/, "int64"],
  [/^(DOUBLE|FLOAT|REAL)/, "float64"],
  [/^BOOL/, "bool"],
  [/^TIMESTAMP/, "timestamp"],
  [/^DATE/, "date"],
];

const columnOf = ({ name, type }: ResultColumn): Column => ({ name, hint: type, kind: KINDS.find(([form]) => form.test(type))?.[1] ?? "string" });

/** Return the chart of a result; nothing if there is none to make. */
export function picture({ columns, rows, count }: Result, zone: string): HTMLElement | undefined {
  const note = `Of ${rows.length < count ? "the first" : "all"} ${counted(rows.length, "row")}. Days are those of ${zone}.`;
  return rows.length > 1 ? chart(figuresOf(columns.map(columnOf), rows, zone, true, note)) : undefined;
}

/** Return the rows of a result. The page keeps the first ones only. */
export function rowsOf({ columns, rows, count }: Result): HTMLElement {
  const partly = rows.length < count;
  const note = partly ? `These are the first of ${count.toLocaleString("en")} rows; downloads have all, and ORDER BY sorts all.` : "";
  return grid(kept(columns.map(columnOf), rows), { name: "the result", note });
}
