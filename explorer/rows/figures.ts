/** The figures of a chart from rows that the page has: added up here, with every digit. */
import { keyOf } from "./calendar";
import type { ChartSource } from "./chart";
import { type Cell, type Column, isNumber, isText, isTime, text } from "./column";
import { type Choice, type Entry, totalsOf } from "./totals";

const FEW = 50;
const ID = /(^|_)id$|Id$/;
const AMOUNT = /amount|net|wager|bet|value|profit|paid|win|total/i;
const KIND = /type|status|currency/i;

/** Return where the figures of rows come from. With `several`, all numbers may be shown together. */
export function figuresOf(columns: Column[], rows: Cell[][], zone: string, several: boolean, note: string): ChartSource {
  const values = new Map<Column, Set<string>>();
  for (const column of columns.filter(isText)) {
    const place = columns.indexOf(column);
    values.set(column, new Set(rows.map((row) => (row[place] == null ? "—" : text(row[place])))));
  }
  const size = (column: Column) => values.get(column)?.size ?? 0;
  const times = columns.filter(isTime);
  // A few values that repeat make better categories than names, and names are better than ids.
  const rank = (column: Column) => (size(column) < 2 ? 3 : ID.test(column.name) ? 2 : size(column) <= FEW ? 0 : 1);
  const texts = columns.filter(isText).sort((a, b) => rank(a) - rank(b));
  const numbers = columns.filter(isNumber);
  const usual = numbers.find(({ name }) => AMOUNT.test(name));
  const few = texts.filter((column) => size(column) > 1 && size(column) <= FEW && size(column) < rows.length);
  return {
    numbers: several || !usual ? numbers : [usual, ...numbers.filter((one) => one !== usual)],
    across: rows.length > 1 ? [...times, ...texts] : [],
    by: few,
    usualBy: times.length ? few.find(({ name }) => KIND.test(name)) ?? null : null,
    several,
    note,
    totals: async (choice) => totalsOf(entriesOf(columns, rows, choice, zone), choice, zone, null),
  };
}

function entriesOf(columns: Column[], rows: Cell[][], { across, part, numbers, by }: Choice, zone: string): Entry[] {
  const at = (column: Column | undefined | null) => (column ? columns.indexOf(column) : -1);
  const word = (cell: Cell | undefined) => (cell == null ? "" : text(cell));
  const key = at(across);
  const name = at(by);
  const known = new Map<string, string>(); // times of one minute have one key
  const keyed = (cell: Cell | undefined) => {
    if (cell == null || !part) return cell == null ? null : text(cell);
    const time = text(cell);
    const minute = time.slice(0, 16) + time.slice(19).replace(/^\.\d+/, "");
    let found = known.get(minute);
    if (found === undefined) known.set(minute, (found = keyOf(time, part, zone)));
    return found;
  };
  if (!numbers.length) {
    return rows.map((row) => ({ key: keyed(row[key]), name: by ? word(row[name]) || "—" : "", currency: "", value: "1", count: 1 }));
  }
  return numbers.flatMap((number) => {
    const [value, currency] = [at(number), at(currencyOf(number, columns))];
    return rows
      .filter((row) => row[value] != null)
      .map((row) => ({
        key: keyed(row[key]),
        name: by ? word(row[name]) || "—" : numbers.length > 1 ? number.name : "",
        currency: currency < 0 ? "" : word(row[currency]),
        value: text(row[value]!),
        count: 1,
      }));
  });
}

/** Return the column with the currency of an amount: `baseCurrency` for `baseAmount`, else the nearest one before it. */
function currencyOf({ name, kind }: Column, columns: Column[]): Column | undefined {
  if (kind !== "decimal") return undefined;
  const found = columns.filter((one) => /currency$/i.test(one.name) && isText(one));
  const own = found.find((one) => one.name.length > 8 && name.toLowerCase().startsWith(one.name.slice(0, -8).toLowerCase()));
  return own ?? found.find((one) => /^currency$/i.test(one.name)) ?? found.at(-1);
}
