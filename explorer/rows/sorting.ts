/** The order of rows. */
import { type Cell, type Column, isNumber, text } from "./column";
import { compareNumbers } from "./decimal";

export interface Order {
  column: string;
  descending: boolean;
}

const { compare: compareTexts } = new Intl.Collator("en");
const DIGITS = /^\d{1,15}$/;

/** Return the rows sorted by a column. Null is last either way, and equal rows keep their order. */
export function sorted(rows: Cell[][], columns: Column[], order: Order | null): Cell[][] {
  const place = columns.findIndex(({ name }) => name === order?.column);
  if (!order || place < 0) return rows;
  const keys = rows.map((row) => (row[place] === null || row[place] === undefined ? null : text(row[place]!)));
  const numeric = isNumber(columns[place]!) || keys.every((key) => key === null || DIGITS.test(key)); // ids, too
  // Floats that differ decide: rounding keeps the order. Equal ones may stand for different digits.
  const floats = numeric ? Float64Array.from(keys, Number) : null;
  const way = order.descending ? -1 : 1;
  const places = rows.map((_, number) => number);
  places.sort((left, right) => {
    const [a, b] = [keys[left]!, keys[right]!];
    if (a === null || b === null) return a === b ? left - right : a === null ? 1 : -1;
    const first = floats ? floats[left]! - floats[right]! || (a === b ? 0 : compareNumbers(a, b)) : compareTexts(a, b);
    return first * way || left - right;
  });
  return places.map((number) => rows[number]!);
}

/** Return the next order after a click on a column: first the useful way, then the reverse, then none. */
export function turned(order: Order | null, column: Column): Order | null {
  const first = isNumber(column) || column.kind === "timestamp" || column.kind === "date"; // the largest, the newest
  if (order?.column !== column.name) return { column: column.name, descending: first };
  return order.descending === first ? { column: column.name, descending: !first } : null;
}
