/**
 * The lists of an answer as flat rows. Each row carries the scalars of the objects around it. Columns have the names
 * that the server's tables give them (`server/tables/table.py`): short ones for the fields of the row, whole paths for
 * what is above it, and an alias as it is.
 */
import type { Cell, Column, Kind } from "../rows/column";
import type { Selected } from "./document";

export interface AnswerList {
  /** The keys that lead to the list, without `nodes`, `edges` and `node`. */
  title: string;
  columns: Column[];
  rows: Cell[][];
  /** Whether the operation marks it with `@rows`. */
  marked: boolean;
  /** Whether a connection on the way has more pages. */
  cut: boolean;
}

type Item = Record<string, unknown>;

/** The form of all objects at one place of the answer. */
interface Shape {
  items: Map<string, Shape>;
  list: boolean;
  scalar: boolean;
}

const PLUMBING = new Set(["nodes", "edges", "node"]);
const OF_PAGES = new Set(["pageInfo", "totalCount", "cursor"]);
const MOST_LISTS = 50;

const isItem = (value: unknown): value is Item => typeof value === "object" && value !== null && !Array.isArray(value);
const isList = (value: unknown): value is unknown[] => Array.isArray(value) && value.some(isItem);

/** Return the lists of the data of an answer, the most useful first. Data without a list is one row. */
export function listsOf(data: unknown, selected?: Selected): AnswerList[] {
  if (!isItem(data)) return [];
  const root: Shape = { items: new Map(), list: false, scalar: false };
  note(data, root, selected);
  const paths = spines(root, []).slice(0, MOST_LISTS);
  const found = paths.map((path) => flat(data, root, path, selected));
  if (!found.length) return [flat(data, root, [], selected)].filter(({ columns }) => columns.length);
  const depth = (list: AnswerList) => list.title.split(".").length;
  return found.sort((a, b) => Number(b.marked) - Number(a.marked) || b.rows.length - a.rows.length || depth(b) - depth(a));
}

/** A list without items is known by its selection alone. */
function note(value: Item, shape: Shape, selected: Selected | undefined) {
  for (const [key, below] of Object.entries(value)) {
    const deeper = selected?.below.get(key);
    let found = shape.items.get(key);
    if (!found) shape.items.set(key, (found = { items: new Map(), list: false, scalar: false }));
    if (isItem(below)) note(below, found, deeper);
    else if (isList(below) || (Array.isArray(below) && deeper?.below.size)) {
      found.list = true;
      for (const one of below) if (isItem(one)) note(one, found, deeper);
    } else if (below !== null && !(Array.isArray(below) && !below.length)) found.scalar = true;
  }
}

/** Return the paths to the lists of objects. */
function spines(shape: Shape, path: string[]): string[][] {
  return [...shape.items].flatMap(([key, below]) => {
    const here = [...path, key];
    return [...(below.list ? [here] : []), ...spines(below, here)];
  });
}

/** Whether an object is a connection, whose `nodes` or `edges` are the list that is meant. */
const isConnection = (shape: Shape) => Boolean(shape.items.get("nodes")?.list || shape.items.get("edges")?.list);

interface Reading extends Column {
  /** The keys from the object of the level to the value. Level 0 is the whole answer. */
  keys: string[];
  level: number;
}

function flat(data: Item, root: Shape, path: string[], selected: Selected | undefined): AnswerList {
  const columns: Reading[] = [];
  const names = new Set<string>();
  const steps: string[][] = [];
  let marked = false;

  function column(key: string, prefix: string[], keys: string[], level: number, alias: boolean) {
    let name = alias ? key : [...prefix, key].join("_");
    for (let number = 2; names.has(name.toLowerCase()); number++) name = `${[...prefix, key].join("_")}_${number}`;
    names.add(name.toLowerCase());
    columns.push({ name, kind: "string", keys: [...keys, key], level });
  }

  /** Note the columns of an object, in the order of the answer. `rest` leads from it to the list. */
  function read(shape: Shape, rest: string[], prefix: string[], keys: string[], level: number, chosen: Selected | undefined, inEdge = false) {
    const paged = isConnection(shape);
    for (const [key, below] of shape.items) {
      if (key === "__typename" || ((paged || inEdge) && OF_PAGES.has(key))) continue;
      const onWay = key === rest[0];
      const deeper = chosen?.below.get(key);
      const plumbing = PLUMBING.has(key) && (paged || inEdge);
      const longer = plumbing ? prefix : [...prefix, key];
      if (onWay && below.list) {
        steps.push([...keys, key]);
        const last = rest.length === 1;
        if (last) marked = deeper?.rows ?? false;
        read(below, rest.slice(1), last ? [] : longer, [], level + 1, deeper, key === "edges" && paged);
      } else if (onWay || (below.items.size && !below.list)) {
        read(below, onWay ? rest.slice(1) : [], longer, [...keys, key], level, deeper);
      } else if (!below.items.size) {
        column(key, prefix, keys, level, deeper?.alias ?? false);
      }
    }
  }

  read(root, path, [], [], 0, selected);
  const rows: Cell[][] = [];
  const row: Cell[] = new Array(columns.length).fill(null);
  let cut = false;

  function collect(item: Item, level: number) {
    columns.forEach((one, place) => one.level === level && (row[place] = cell(dig(item, one.keys))));
    if (level === steps.length) {
      rows.push([...row]);
      return;
    }
    const found = dig(item, steps[level]!);
    const below: unknown[] = Array.isArray(found) ? found : [];
    cut ||= hasMore(dig(item, steps[level]!.slice(0, -1)), below.length);
    for (const one of below) if (isItem(one)) collect(one, level + 1);
  }

  collect(data, 0);
  const title = path.filter((key, place) => !(PLUMBING.has(key) && place > 0)).join(".");
  return { title: title || "answer", marked, cut, rows, columns: columns.map(({ name }, place) => ({ name, kind: kindOf(rows, place) })) };
}

/** Whether a connection says that it has more items than it shows. */
const hasMore = (connection: unknown, shown: number) =>
  isItem(connection) && ((isItem(connection.pageInfo) && connection.pageInfo.hasNextPage === true) || (typeof connection.totalCount === "number" && connection.totalCount > shown));

function dig(item: Item, keys: string[]): unknown {
  let value: unknown = item;
  for (const key of keys) value = isItem(value) ? value[key] : undefined;
  return value;
}

function cell(value: unknown): Cell {
  if (Array.isArray(value)) return value.map(cell);
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : value == null ? null : JSON.stringify(value);
}

// The graph writes a decimal with at least two places, so it differs from an id.
const DECIMAL = /^-?\d+\.\d{2,}$/;
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const DATE = /^\d{4}-\d\d-\d\d$/;

/** Return the kind of a column: the one that fits all of its values. */
function kindOf(rows: Cell[][], place: number): Kind {
  let found: Kind | null = null;
  for (const row of rows) {
    const value = row[place];
    if (value === null || value === undefined) continue;
    const kind = kindOfValue(value);
    if (found === null || found === kind) found = kind;
    else if ((found === "int64" && kind === "float64") || (found === "float64" && kind === "int64")) found = "float64";
    else return "string";
  }
  return found ?? "string";
}

function kindOfValue(value: Cell): Kind {
  if (Array.isArray(value)) return "list";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return Number.isSafeInteger(value) ? "int64" : "float64";
  return DECIMAL.test(value!) ? "decimal" : MOMENT.test(value!) ? "timestamp" : DATE.test(value!) ? "date" : "string";
}
