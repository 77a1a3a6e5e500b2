/** `/tables` and `/tables/{name}` for people: which tables there are, and one with its rows, chart, columns and snippets. */
import "../frame/page.css";
import "./page.css";
import "../frame/header";

import { picture } from "./chart";
import { copy } from "../frame/clipboard";
import { element } from "../frame/element";
import { ago } from "../frame/moments";
import { load } from "../frame/requests";
import { snippets } from "./snippets";
import { type Brief, type Parameter, type Table, firstRows, isNumber, said } from "./table";

const ROWS_SHOWN = 25;
const ROWS_READ = 5000;
const WINDOW = ["period", "since", "until"];
const main = document.querySelector("main")!;

const failed = (error: unknown) =>
  element("p", { class: "failed", role: "alert" }, error instanceof Error ? error.message : String(error));

function list(tables: Brief[]) {
  document.title = "Tables";
  const line = (table: Brief) =>
    element(
      "tr",
      {},
      element("td", {}, element("a", { href: `/tables/${table.name}` }, table.name)),
      element("td", {}, table.description),
      element("td", { class: "number" }, String(table.columns.length)),
      element(
        "td",
        {},
        ...[...table.parameters, ...(table.timed ? ["since", "until", "period"] : [])].flatMap((one) => [
          element("code", { class: table.required.includes(one) ? "required" : "" }, one),
          " ",
        ]),
      ),
      element("td", {}, ...Object.keys(table.formats).flatMap((form) => [element("code", {}, form), " "])),
    );
  const heads = ["Table", "Rows", "Columns", "Parameters", "Formats"];
  main.replaceChildren(
    element("h1", {}, "Tables"),
    element(
      "p",
      { class: "lead" },
      "Each is a saved query as flat, typed rows at an address: whole, exact, and with a known age.",
    ),
    element(
      "div",
      { class: "scroll" },
      element(
        "table",
        { id: "tables" },
        element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { class: head === "Columns" ? "number" : "" }, head)))),
        element("tbody", {}, ...tables.map(line)),
      ),
    ),
    element("p", { class: "note" }, "Underlined parameters are required. OData clients find the same tables at ", element("a", { href: "/odata" }, "/odata"), "."),
  );
}

const text = (value: unknown) => (value === null || value === undefined ? "" : String(value));

function field(parameter: Parameter, value: string): HTMLElement {
  const offered = parameter.values ?? (parameter.type === "bool" ? ["true", "false"] : null);
  const fallback = text(parameter.default);
  const input = offered
    ? element(
        "select",
        { name: parameter.name },
        !parameter.required && element("option", { value: "" }, fallback ? `default: ${fallback}` : "default"),
        ...offered.map((one) => element("option", { value: one, selected: one === value }, one)),
      )
    : element("input", {
        name: parameter.name,
        value,
        required: parameter.required,
        placeholder: parameter.repeatable ? "several, with commas between" : fallback,
      });
  return element("label", {}, element("span", {}, parameter.name, parameter.required && element("b", {}, " required")), input);
}

/** The form: the variables, and the window where the table has one. It begins as the address says, else by example. */
function form(table: Table, show: (query: string) => void): HTMLFormElement {
  const given = new URLSearchParams(location.search);
  const fresh = !location.search;
  const fields = table.parameters.map((one) =>
    field(one, given.getAll(one.name).join(",") || (fresh || one.required ? text(one.example) : "")),
  );
  if (table.window) {
    const own = table.window.default?.frame?.toLowerCase() ?? "today";
    const period = given.get("period") ?? (given.has("since") ? "" : own);
    fields.push(
      element(
        "label",
        {},
        element("span", {}, "period"),
        element(
          "select",
          { name: "period" },
          element("option", { value: "" }, "since … until"),
          ...table.window.period.map((one) => element("option", { value: one, selected: one === period }, one)),
        ),
      ),
      ...["since", "until"].map((name) =>
        element(
          "label",
          { class: "dates" },
          element("span", {}, name === "since" ? "since (included)" : "until (not included)"),
          element("input", { name, type: "date", value: given.get(name)?.slice(0, 10) ?? "" }),
        ),
      ),
    );
  }
  const made = element(
    "form",
    {
      submit: (event) => {
        event.preventDefault();
        show(query());
      },
    },
    ...fields,
    element("button", { type: "submit" }, "Show"),
  );
  const query = () => {
    const pairs: [string, string][] = [];
    const window = new FormData(made);
    for (const [name, value] of window) {
      if (typeof value !== "string" || !value) continue;
      if (name !== "period" && WINDOW.includes(name) && window.get("period")) continue;
      const many = table.parameters.find((one) => one.name === name)?.repeatable;
      for (const one of many ? value.split(",") : [value]) pairs.push([name, one.trim()]);
    }
    return new URLSearchParams(pairs).toString();
  };
  const toggle = () => made.classList.toggle("period", Boolean(new FormData(made).get("period")));
  made.addEventListener("change", toggle);
  toggle();
  if (made.checkValidity()) queueMicrotask(() => show(query()));
  return made;
}

function preview(table: Table, rows: Record<string, unknown>[]): HTMLElement {
  const cell = (value: unknown, numeric: boolean) =>
    element("td", { class: value === null ? "null" : numeric ? "number" : "" }, value === null ? "null" : typeof value === "object" ? JSON.stringify(value) : String(value));
  return element(
    "div",
    { class: "scroll" },
    element(
      "table",
      { id: "rows" },
      element("thead", {}, element("tr", {}, ...table.columns.map((one) => element("th", { class: isNumber(one) ? "number" : "" }, one.name)))),
      element(
        "tbody",
        {},
        ...rows.slice(0, ROWS_SHOWN).map((row) =>
          element("tr", {}, ...table.columns.map((one) => cell(row[one.name] ?? null, isNumber(one)))),
        ),
      ),
    ),
  );
}

/** When the rows were read, and a button that has them read again. */
function freshness(readAt: Date | null, again: () => void): HTMLElement {
  const said = element("time", { datetime: readAt?.toISOString() ?? "", title: readAt?.toLocaleString() ?? "" });
  let shown = false;
  const tell = () => {
    if (shown && !said.isConnected) clearInterval(ticking);
    shown = said.isConnected;
    said.textContent = readAt ? ago(readAt) : "";
  };
  const ticking = setInterval(tell, 1000);
  tell();
  return element("p", { class: "fresh" }, said, element("button", { type: "button", click: again }, "Refresh"));
}

function codes(table: Table, query: string): HTMLElement {
  const found = snippets({ name: table.name, origin: location.origin, query });
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
  const tabs = found.map(({ tool, text }) =>
    element(
      "button",
      {
        type: "button",
        role: "tab",
        click: (event) => {
          for (const tab of tabs) tab.setAttribute("aria-selected", String(tab === event.currentTarget));
          code.textContent = text;
          localStorage.setItem("tables:tool", tool);
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
    element("div", { role: "tablist", class: "tabs" }, ...tabs),
    element("pre", {}, copying, code),
    element("p", { class: "note" }, "A server with authentication takes an API key: as the password of Basic, or as Authorization: Bearer. polars and Google Sheets send no header: give them a signed link."),
  );
}

function columns(table: Table): HTMLElement {
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
      { class: "scroll" },
      element(
        "table",
        {},
        element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", {}, head)))),
        element("tbody", {}, ...table.columns.map(line)),
      ),
    ),
  );
}

function one(table: Table) {
  document.title = `${table.name} · Tables`;
  const result = element("div", { id: "result" });
  let last = 0;
  async function show(query: string, fresh = false) {
    const number = ++last;
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
    result.setAttribute("aria-busy", "true");
    const downloads = element(
      "p",
      { class: "downloads" },
      ...Object.entries(table.formats).map(([form, path]) => element("a", { href: query ? `${path}?${query}` : path, download: true }, form)),
    );
    const parts: (HTMLElement | undefined)[] = [];
    try {
      const { rows, readAt } = await firstRows(table.name, query, ROWS_READ + 1, fresh);
      if (number !== last) return; // newer rows were requested meanwhile
      const more = rows.length > ROWS_READ;
      const kept = rows.slice(0, ROWS_READ);
      const count = kept.length.toLocaleString("en");
      // After a refresh, the totals are of rows that are no older than those shown.
      const maxAge = () => (fresh && readAt ? Math.ceil((Date.now() - readAt.getTime()) / 1000) + 2 : null);
      parts.push(picture(table, kept, { name: table.name, query, timezone: table.timezone, maxAge }));
      const shown = Math.min(ROWS_SHOWN, kept.length);
      const heading = kept.length ? `First ${shown} of ${more ? "more than " : ""}${count} rows` : "No rows";
      const again = freshness(readAt, () => void show(query, true));
      parts.push(element("section", {}, element("h2", {}, heading), again, kept.length ? preview(table, kept) : undefined, downloads));
    } catch (error) {
      if (number !== last) return;
      parts.push(failed(error));
    }
    parts.push(codes(table, query));
    result.replaceChildren(...parts.filter((part): part is HTMLElement => part !== undefined));
    result.removeAttribute("aria-busy");
  }
  main.replaceChildren(
    element("h1", {}, table.name),
    element("p", { class: "lead" }, table.description),
    form(table, show),
    result,
    columns(table),
    element("section", {}, element("h2", {}, "Query"), element("pre", {}, element("code", {}, table.document))),
  );
}

const name = location.pathname.split("/")[2];
try {
  if (name) one(await load<Table>(`/tables/${name}/schema`));
  else list((await load<{ tables: Brief[] }>("/tables")).tables);
} catch (error) {
  main.replaceChildren(failed(error));
}
