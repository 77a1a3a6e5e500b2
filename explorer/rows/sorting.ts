/** The order of rows. */
import { type Cell, type Column, isNumber, text } from "./column";
import { compareNumbers } from "./decimal";

export interface Order {
  column: string;
  descending: boolean;
}

const collator = new Intl.Collator("en", { numeric: true });

/** Return the rows sorted by a column. Null is last either way, and equal rows keep their order. */
export function sorted(rows: Cell[][], columns: Column[], order: Order | null): Cell[][] {
  const place = columns.findIndex(({ name }) => name === order?.column);
  if (!order || place < 0) return rows;
  const compare = isNumber(columns[place]!) ? compareNumbers : collator.compare;
  const keys = rows.map((row) => (row[place] === null || row[place] === undefined ? null : text(row[place]!)));
  const places = rows.map((_, number) => number);
  places.sort((left, right) => {
    const [a, b] = [keys[left]!, keys[right]!];
    if (a === null || b === null) return a === b ? left - right : a === null ? 1 : -1;
    return (order.descending ? compare(b, a) : compare(a, b)) || left - right;
  });
  return places.map((number) => rows[number]!);
}

/** Return the next order after a click on a column: first the useful way, then the reverse, then none. */
export function turned(order: Order | null, column: Column): Order | null {
  const first = isNumber(column) || column.kind === "timestamp" || column.kind === "date"; // the largest, the newest
  if (order?.column !== column.name) return { column: column.name, descending: first };
  return order.descending === first ? { column: column.name, descending: !first } : null;
}
