/** The chart of a table: totals that the server adds up over the whole window, in days of the business zone. */
import { element } from "../frame/element";
import { send } from "../frame/requests";
import { chart, type ChartState } from "../rows/chart";
import { type Column, isNumber, isText, isTime } from "../rows/column";
import { type Choice, type Entry, totalsOf } from "../rows/totals";
import type { Table } from "./table";

/** A table, the query of its address, and the age in seconds that its rows may have; null for any. */
export interface Source {
  table: Table;
  columns: Column[];
  query: string;
  maxAge: () => number | null;
}

type Row = Record<string, string | number | boolean | null>;

const FEW = 30;
const MOST_CATEGORIES = 5000;
const USUAL = /amount|net|wager|bet|value|profit|paid/i;
const KIND = /type|status/i;

/** Ask for totals. A dot before a parameter keeps it apart from the variables of the saved query. */
async function ask({ table, query, maxAge }: Source, pairs: [string, string][]): Promise<Row[]> {
  const age = maxAge();
  const answer = await send(`/tables/${table.name}.json?${asked(query, pairs)}`, { headers: age === null ? {} : { "cache-control": `max-age=${age}` } });
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.errors?.[0]?.message ?? `The server answers ${answer.status}.`);
  return content;
}

const asked = (query: string, pairs: [string, string][]) => new URLSearchParams([...new URLSearchParams(query), ...pairs]).toString();

const parameters = ({ across, part, numbers, by }: Choice): [string, string][] => [
  [".by", part ? `${across.name}.${part}` : across.name],
  ...(by ? [[".by", by.name] as [string, string]] : []),
  ...numbers.map(({ name }): [string, string] => [".sum", name]),
  [".count", "1"],
];

/** Return the chart of a table; nothing if it has no rows, or nothing to go across. */
export async function picture(source: Source, state: ChartState, changed: (state: ChartState) => void): Promise<HTMLElement | undefined> {
  const { table, columns, query } = source;
  const texts = columns.filter(isText);
  // The number of values in the whole window decides which columns make categories.
  const [sizes] = await ask(source, [...(texts.length ? [[".countdistinct", texts.map(({ name }) => name).join(",")] as [string, string]] : []), [".count", "1"]]);
  const count = Number(sizes?.count ?? 0);
  const size = ({ name }: Column) => Number(sizes?.[`${name}_countdistinct`] ?? 0);
  if (!count) return undefined;
  const few = texts.filter((one) => size(one) > 1 && size(one) <= FEW && size(one) < count);
  const others = texts.filter((one) => !few.includes(one) && size(one) > 1 && size(one) <= MOST_CATEGORIES);
  const names = others.filter(({ name }) => !/id$/i.test(name));
  // A balance or a rate makes no sum; money does. An amount without a currency has none, and a float none that is exact.
  const numbers = columns.filter((one) => isNumber(one) && one.kind !== "float64" && one.currency !== null);
  const usual = numbers.find(({ name }) => USUAL.test(name));
  const across = [...columns.filter(isTime), ...few, ...names, ...others.filter((one) => !names.includes(one))];
  return chart(
    {
      numbers: usual ? [usual, ...numbers.filter((one) => one !== usual)] : numbers,
      across,
      by: few,
      usualBy: few.find((one) => one !== across[0] && (KIND.test(one.name) || table.columns.find(({ name }) => name === one.name)?.values)) ?? null,
      several: false,
      note: `Of all rows of the window, added up by the server. Days and hours are those of ${table.timezone}.`,
      totals: async (choice) => totalsOf((await ask(source, parameters(choice))).map((row) => entry(row, choice)), choice, table.timezone, "0"),
      below: (choice) => [
        "These totals: ",
        ...Object.entries(table.formats).map(([form, path]) => element("a", { href: `${path}?${asked(query, parameters(choice))}`, download: true }, form)),
      ],
    },
    state,
    changed,
  );
}

function entry(row: Row, { across, part, numbers: [number], by }: Choice): Entry {
  const key = row[part ? `${across.name}_${part}` : across.name];
  const word = (value: Row[string] | undefined) => String(value ?? "—");
  return {
    key: key == null ? null : String(key),
    name: by ? word(row[by.name]) : "",
    currency: String((number?.currency && row[number.currency]) ?? ""),
    value: String((number ? row[`${number.name}_sum`] : row.count) ?? 0),
    count: Number(row.count),
  };
}
