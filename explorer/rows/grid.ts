/** Rows to look at: page by page, sorted, with the columns that are wanted, to copy and to take along. */
import { copy } from "../frame/clipboard";
import { element } from "../frame/element";
import { type Cell, type Column, counted, isNumber, text } from "./column";
import { type Order, sorted, turned } from "./sorting";
import { csv, csvHead, markup, tabbed } from "./spreadsheet";

/** Some rows in the order that was asked for, with the cells of the shown columns, and the number of all rows. */
export interface RowPage {
  rows: Cell[][];
  count: number;
}

/** Where rows come from: a page of them, or all of them in pieces, at most so many. */
export interface RowSource {
  columns: Column[];
  page: (shown: Column[], order: Order | null, from: number, size: number) => Promise<RowPage>;
  all: (shown: Column[], order: Order | null, most: number) => AsyncGenerator<Cell[][]>;
}

/** What a person chose. `shown` are the names of the columns to show; null shows all. Pages count from 0. */
export interface GridState {
  order: Order | null;
  shown: string[] | null;
  page: number;
}

export interface GridOptions {
  /** The name of the rows, for files. */
  name: string;
  state?: GridState;
  changed?: (state: GridState) => void;
  /** What is said beside the number of rows. */
  note?: string;
  /** More things to do with the rows. */
  actions?: (reader: Reader) => Node[];
}

/** Reads all rows as they are shown, piece by piece. */
export interface Reader {
  columns: () => Column[];
  pieces: (most: number) => AsyncGenerator<Cell[][]>;
}

export const PAGE_ROWS = 100;
const PIECE_ROWS = 10_000;
const MOST_COPIED = 50_000;

/** Return the source of rows that the page has. */
export function kept(columns: Column[], rows: Cell[][], count = rows.length): RowSource {
  let last: { order: Order | null; rows: Cell[][] } = { order: null, rows };
  function some(shown: Column[], order: Order | null, from: number, size: number): Cell[][] {
    if (order?.column !== last.order?.column || order?.descending !== last.order?.descending) last = { order, rows: sorted(rows, columns, order) };
    const places = shown.map((column) => columns.indexOf(column));
    return last.rows.slice(from, from + size).map((row) => places.map((place) => row[place] ?? null));
  }
  return {
    columns,
    page: async (shown, order, from, size) => ({ rows: some(shown, order, from, size), count }),
    async *all(shown, order, most) {
      for (let from = 0; from < Math.min(rows.length, most); from += PIECE_ROWS) yield some(shown, order, from, Math.min(PIECE_ROWS, most - from));
    },
  };
}

export function grid(source: RowSource, { name, state: given, changed = () => {}, note = "", actions = () => [] }: GridOptions): HTMLElement {
  const { columns } = source;
  const state: GridState = given ?? { order: null, shown: null, page: 0 };
  let last = 0;
  const shown = () => {
    const found = state.shown && columns.filter((one) => state.shown!.includes(one.name));
    return found?.length ? found : columns;
  };
  const reader: Reader = { columns: shown, pieces: (most) => source.all(shown(), state.order, most) };
  const status = element("span", { class: "found", role: "status" });
  const failed = element("p", { class: "failed", role: "alert", hidden: true });
  const head = element("tr", {});
  const body = element("tbody", {});
  const table = element("table", { id: "rows" }, element("thead", {}, head), body);
  const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rows" }, table);
  const pages = element("nav", { class: "pages", "aria-label": `Pages of ${name}` });
  const copying = element("button", { type: "button", title: "For a spreadsheet", click: () => void copied() }, "Copy");
  const root = element(
    "div",
    { class: "grid" },
    element("div", { class: "row bar" }, status, choiceOfColumns(), copying, ...actions(reader)),
    failed,
    scroll,
    pages,
  );

  function change(next: Partial<GridState>) {
    Object.assign(state, next);
    changed(state);
    return draw();
  }

  async function draw() {
    const number = ++last;
    root.setAttribute("aria-busy", "true");
    try {
      const wanted = shown();
      let found = await source.page(wanted, state.order, state.page * PAGE_ROWS, PAGE_ROWS);
      if (number !== last) return; // something else was chosen meanwhile
      if (!found.rows.length && state.page) {
        state.page = Math.max(Math.ceil(found.count / PAGE_ROWS) - 1, 0);
        found = await source.page(wanted, state.order, state.page * PAGE_ROWS, PAGE_ROWS);
        if (number !== last) return;
      }
      head.replaceChildren(...wanted.map(heading));
      body.replaceChildren(...found.rows.map((row) => element("tr", {}, ...wanted.map((column, place) => cellOf(row[place] ?? null, column)))));
      scroll.scrollTop = 0;
      turn(found);
      failed.hidden = true;
    } catch (error) {
      if (number !== last) return;
      failed.textContent = error instanceof Error ? error.message : String(error);
      failed.hidden = false;
    } finally {
      if (number === last) root.removeAttribute("aria-busy");
    }
  }

  function heading(column: Column): HTMLElement {
    const made = element(
      "th",
      { class: isNumber(column) ? "number" : "", scope: "col" },
      element(
        "button",
        {
          type: "button",
          click: () => {
            void change({ order: turned(state.order, column), page: 0 }).then(() =>
              head.querySelectorAll("button")[shown().indexOf(column)]?.focus({ preventScroll: true }),
            );
          },
        },
        element("span", {}, column.name),
        ...(column.hint ? [" ", element("small", {}, column.hint)] : []),
      ),
    );
    if (state.order?.column === column.name) made.setAttribute("aria-sort", state.order.descending ? "descending" : "ascending");
    return made;
  }

  function turn({ rows, count }: RowPage) {
    const from = state.page * PAGE_ROWS;
    const most = Math.max(Math.ceil(count / PAGE_ROWS), 1);
    const all = rows.length === count;
    status.textContent = (all ? counted(count, "row") : `Rows ${(from + 1).toLocaleString("en")} to ${(from + rows.length).toLocaleString("en")} of ${count.toLocaleString("en")}`) + (note ? `. ${note}` : "");
    const step = (label: string, page: number) =>
      element("button", { type: "button", disabled: page < 0 || page >= most || page === state.page, click: () => void go(label, page) }, label);
    pages.hidden = most === 1;
    pages.replaceChildren(
      step("First", 0),
      step("Previous", state.page - 1),
      element("span", {}, `Page ${(state.page + 1).toLocaleString("en")} of ${most.toLocaleString("en")}`),
      step("Next", state.page + 1),
      step("Last", most - 1),
    );
  }

  async function go(label: string, page: number) {
    await change({ page });
    const [same, other] = [[...pages.querySelectorAll("button")].find((one) => one.textContent === label), pages.querySelector<HTMLElement>("button:enabled")];
    (same?.disabled ? other : same)?.focus({ preventScroll: true });
  }

  function choiceOfColumns(): HTMLElement {
    const boxes = columns.map((column) =>
      element("input", {
        type: "checkbox",
        checked: shown().includes(column),
        change: () => {
          const names = columns.filter((_, place) => boxes[place]!.checked).map((one) => one.name);
          if (!names.length) (boxes[columns.indexOf(column)]!.checked = true), names.push(column.name); // one stays
          void change({ shown: names.length === columns.length ? null : names });
        },
      }),
    );
    const all = () => {
      for (const box of boxes) box.checked = true;
      void change({ shown: null });
    };
    const made = element(
      "details",
      {
        class: "choice",
        keydown: (event) => {
          if ((event as KeyboardEvent).key !== "Escape") return;
          made.open = false;
          made.querySelector("summary")!.focus();
        },
      },
      element("summary", {}, "Columns"),
      element(
        "div",
        { class: "menu" },
        ...columns.map((column, place) => element("label", {}, boxes[place]!, " ", column.name)),
        element("button", { type: "button", click: all }, "Show all"),
      ),
    );
    document.addEventListener("pointerdown", ({ target }) => {
      if (made.open && target instanceof Node && !made.contains(target)) made.open = false;
    });
    return made;
  }

  async function copied() {
    try {
      const rows: Cell[][] = [];
      for await (const piece of reader.pieces(MOST_COPIED)) rows.push(...piece);
      await copy(tabbed(rows, shown()), markup(rows, shown()));
      copying.textContent = `Copied ${counted(rows.length, "row")}`;
    } catch (error) {
      failed.textContent = error instanceof Error ? error.message : String(error);
      failed.hidden = false;
    }
    setTimeout(() => (copying.textContent = "Copy"), 3000);
  }

  scroll.setAttribute("aria-label", `Rows of ${name}`);
  void draw();
  return root;
}

function cellOf(value: Cell, column: Column): HTMLElement {
  const shown = value === null ? "null" : text(value);
  return element("td", { class: value === null ? "null" : isNumber(column) ? "number" : "", ...(shown.length > 60 ? { title: shown } : {}) }, shown);
}

/** Return the rows of a reader as CSV. */
export async function csvOf(reader: Reader): Promise<Blob> {
  const columns = reader.columns();
  const parts = [csvHead(columns)];
  for await (const rows of reader.pieces(Infinity)) parts.push(csv(rows, columns));
  return new Blob(parts, { type: "text/csv;charset=utf-8" });
}
