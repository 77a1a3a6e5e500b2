/** The page of one table: its parameters, its chart, its rows, how programs read it, and its columns. */
import { ROOT } from "../frame/address";
import { copy } from "../frame/clipboard";
import { element } from "../frame/element";
import { ago } from "../frame/moments";
import { counted } from "../rows/column";
import { csvOf, grid } from "../rows/grid";
import { saveButtons } from "../rows/saving";
import { filterForm } from "./filters";
import { explorerOf, form } from "./form";
import { linkForm } from "./link";
import { type Cost, type Reading, rowsOf } from "./reading";
import { snippets } from "./snippets";
import { keep, readState } from "./state";
import { type Table, columnOf, said } from "./table";
import { picture } from "./totals";

const failure = (error: unknown) => element("p", { class: "failed", role: "alert" }, error instanceof Error ? error.message : String(error));

/** Return the parts of the page. `closed` says that the server asks for credentials, and so may sign links. */
export function one(table: Table, closed: boolean): HTMLElement[] {
  document.title = `${table.name} · Tables`;
  const shown = table.columns.map(columnOf);
  const state = readState(location.hash);
  const opens = element("a", { class: "button" }, "Open in the explorer");
  const above = element("div", { id: "reading" });
  const place = element("div", { id: "picture" });
  const rows = element("div", { id: "grid" });
  const below = element("div", {});
  let last = 0;
  let lastQuery: string | null = null;

  function show(query: string, fresh = false) {
    const number = ++last;
    if (lastQuery !== null && query !== lastQuery) state.grid.page = 0;
    lastQuery = query;
    let reading: Reading = { readAt: null, cost: null };
    const told = freshness(() => reading, () => show(query, true));
    keep(query, state);
    opens.href = explorerOf(table, query);
    above.replaceChildren(told.element, downloads(table, query), ...(closed ? [linkForm(table, query)] : []));
    below.replaceChildren(codes(table, query));

    /** The chart waits for the rows, so that it has the same reading: after a refresh, no older one. */
    const draw = async () => {
      const maxAge = () => (fresh && reading.readAt ? Math.ceil((Date.now() - reading.readAt.getTime()) / 1000) + 2 : null);
      place.setAttribute("aria-busy", "true");
      try {
        const found = await picture({ table, columns: shown, query, maxAge }, state.chart, (chosen) => {
          state.chart = chosen;
          keep(query, state);
        });
        if (number === last) place.replaceChildren(...(found ? [found] : []));
      } catch (error) {
        if (number === last) place.replaceChildren(failure(error));
      }
      if (number === last) place.removeAttribute("aria-busy");
    };
    let drawn = false;

    const list = () => {
      const noted = (found: Reading) => {
        if (number !== last) return;
        reading = found;
        told.tell();
        if (!drawn) void draw();
        drawn = true;
      };
      const source = rowsOf(table.name, query, shown, state.filters, noted, fresh && !drawn);
      const filters = filterForm({
        columns: shown,
        values: ({ name }) => table.columns.find((other) => other.name === name)?.values,
        zone: table.timezone,
        filters: state.filters,
        changed: (chosen) => {
          state.filters = chosen;
          state.grid.page = 0;
          keep(query, state);
          list();
          rows.querySelector<HTMLElement>(".filters select")?.focus();
        },
      });
      rows.replaceChildren(
        element("h2", {}, "Rows"),
        filters,
        grid(source, {
          name: table.name,
          state: state.grid,
          changed: () => keep(query, state),
          note: state.filters.length ? "Filtered; the chart has all rows." : "",
          actions: (reader) => [saveButtons([{ name: `${table.name}.csv`, label: "Save as CSV", make: () => csvOf(reader) }])],
        }),
      );
    };
    list();
  }

  const parts = [
    element("div", { class: "title" }, element("h1", {}, table.name), opens),
    element("p", { class: "lead" }, table.description),
    form(table, (query) => show(query)),
    above,
    place,
    element("section", {}, rows),
    below,
    columnsOf(table),
    element("section", {}, element("h2", {}, "Query"), element("pre", { tabindex: "0" }, element("code", {}, table.document))),
  ];
  opens.href = explorerOf(table, location.search);
  return parts;
}

const downloads = (table: Table, query: string) =>
  element(
    "p",
    { class: "downloads" },
    "The whole window: ",
    ...Object.entries(table.formats).map(([form, path]) => element("a", { href: query ? `${path}?${query}` : path, download: true }, form)),
  );

/** When the rows were read, what that cost, and a button that has them read again. */
function freshness(read: () => Reading, again: () => void): { element: HTMLElement; tell: () => void } {
  const when = element("time", {});
  const cost = element("span", { class: "cost" });
  let shown = false;
  const tell = () => {
    if (shown && !when.isConnected) clearInterval(ticking);
    shown ||= when.isConnected;
    const { readAt, cost: found } = read();
    when.textContent = readAt ? ago(readAt) : "";
    if (readAt) {
      when.dateTime = readAt.toISOString();
      when.title = readAt.toLocaleString();
    }
    cost.textContent = found ? costed(found) : "";
  };
  const ticking = setInterval(tell, 1000);
  tell();
  return { element: element("p", { class: "fresh" }, when, cost, element("button", { type: "button", click: again }, "Refresh")), tell };
}

const costed = ({ calls, held, rows, milliseconds }: Cost) =>
  `It took ${counted(calls, "upstream call")}${calls ? ` in ${(milliseconds / 1000).toFixed(2)} s` : ""}${held ? `, and ${counted(held, "call")} that the cache answered` : ""}: ${counted(rows, "row")}.`;

function codes(table: Table, query: string): HTMLElement {
  const found = snippets({ name: table.name, origin: ROOT, query });
  const code = element("code", {});
  const copying = element(
    "button",
    {
      type: "button",
      class: "copy",
      click: async () => {
        await copy(code.textContent ?? "");
        copying.textContent = "Copied";
        setTimeout(() => (copying.textContent = "Copy"), 1500);
      },
    },
    "Copy",
  );
  const panel = element("pre", { id: "snippet", role: "tabpanel", tabindex: "0" }, code);
  const choose = (chosen: HTMLElement, text: string, tool: string) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
    }
    panel.setAttribute("aria-label", tool);
    code.textContent = text;
    localStorage.setItem("tables:tool", tool);
  };
  const tabs: HTMLButtonElement[] = found.map(({ tool, text }, place) =>
    element(
      "button",
      {
        type: "button",
        role: "tab",
        "aria-controls": "snippet",
        click: (event) => choose(event.currentTarget as HTMLElement, text, tool),
        keydown: (event) => {
          const step = { ArrowRight: 1, ArrowLeft: -1 }[(event as KeyboardEvent).key];
          const next = step && tabs[(place + step + tabs.length) % tabs.length];
          if (next) (next.focus(), next.click());
        },
      },
      tool,
    ),
  );
  const last = localStorage.getItem("tables:tool");
  (tabs[found.findIndex(({ tool }) => tool === last)] ?? tabs[0])?.click();
  return element(
    "section",
    { id: "snippets" },
    element("h2", {}, "Read it with"),
    element("div", { role: "tablist", class: "tabs", "aria-label": "Tools" }, ...tabs),
    element("div", { class: "snippet" }, panel, copying),
    element("p", { class: "note" }, "A server with authentication takes an API key: as the password of Basic, or as Authorization: Bearer. polars and Google Sheets send no header: give them a signed link."),
  );
}

function columnsOf(table: Table): HTMLElement {
  const heads = ["Column", "Type", "Null", "Meaning"];
  const line = (one: Table["columns"][number]) =>
    element(
      "tr",
      {},
      element("td", {}, element("code", {}, one.name)),
      element("td", {}, said(one.type)),
      element("td", {}, one.nullable ? "yes" : "never"),
      element("td", {}, one.description, one.values ? ` One of ${one.values.join(", ")}.` : ""),
    );
  return element(
    "section",
    { id: "columns" },
    element("h2", {}, "Columns"),
    element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Columns" },
      element("table", {}, element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))), element("tbody", {}, ...table.columns.map(line))),
    ),
  );
}
