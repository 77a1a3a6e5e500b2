/** `/tables`: which tables there are, with a search, and their rows counted on demand. */
import { at } from "../frame/address";
import { element } from "../frame/element";
import { lasting } from "../frame/moments";
import { send } from "../frame/requests";
import type { Brief } from "./table";

/** Counting a table reads it from the upstreams, unless the server has it: so few are counted at once. */
const AT_ONCE = 2;
const KEPT = "tables:counts";

interface Counted {
  rows: number;
  /** When the oldest row was read, as a number of milliseconds. */
  readAt: number;
}

/** The counts of this session of the browser, by table. */
function kept(): Record<string, Counted> {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
  } catch {
    return {};
  }
}

async function count(name: string): Promise<Counted> {
  const answer = await send(`/tables/${name}.json?.count=1`, { headers: { accept: "application/json" } });
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.errors?.[0]?.message ?? `The server answers ${answer.status}.`);
  const found = { rows: Number(content[0].count), readAt: Date.now() - Number(answer.headers.get("age") ?? 0) * 1000 };
  sessionStorage.setItem(KEPT, JSON.stringify({ ...kept(), [name]: found }));
  return found;
}

interface Line {
  table: Brief;
  row: HTMLElement;
  /** Count the rows; undefined for a table with required parameters. */
  count?: () => Promise<void>;
}

/** The cell with the number of rows, and the function that counts them. */
function rows(table: Brief): { cell: HTMLElement; count?: () => Promise<void> } {
  const cell = element("td", { class: "number count" });
  if (table.required?.length) {
    cell.append(element("span", { class: "note" }, `per ${table.required.join(", ")}`));
    return { cell };
  }
  const window = table.timed ? ` in its usual period` : "";
  const show = ({ rows, readAt }: Counted) => {
    const age = `read ${lasting((Date.now() - readAt) / 1000)} ago`;
    cell.replaceChildren(
      element("span", { title: `Rows${window}` }, rows.toLocaleString("en")),
      " ",
      element("button", { type: "button", class: "again", "aria-label": `${table.name}, ${age}: count again`, title: "Count again", click: () => void counting() }, age),
    );
  };
  const counting = async () => {
    cell.setAttribute("aria-busy", "true");
    try {
      show(await count(table.name));
    } catch (error) {
      cell.replaceChildren(element("span", { class: "note", role: "alert" }, error instanceof Error ? error.message : String(error)));
    }
    cell.removeAttribute("aria-busy");
  };
  const known = kept()[table.name];
  if (known) show(known);
  else cell.append(element("button", { type: "button", class: "again", "aria-label": `Count the rows of ${table.name}`, click: () => void counting() }, "Count"));
  return { cell, count: counting };
}

function line(table: Brief): Line {
  const { cell, count } = rows(table);
  const parameters = [...(table.parameters ?? []), ...(table.timed ? ["since", "until", "period"] : [])];
  const row = element(
    "tr",
    {},
    element("th", { scope: "row" }, element("a", { href: at(`/tables/${table.name}`) }, table.name)),
    element("td", {}, table.description),
    cell,
    element("td", { class: "number wide" }, String(table.columns?.length ?? "")),
    element("td", { class: "wide" }, ...parameters.flatMap((one) => [element("code", { class: table.required?.includes(one) ? "required" : "" }, one), " "])),
    element("td", { class: "wide" }, ...Object.entries(table.formats).flatMap(([form, path]) => [table.required.length ? element("code", {}, form) : element("a", { href: path, download: true }, element("code", {}, form)), " "])),
  );
  return { table, row, ...(count ? { count } : {}) };
}

/** Return the page with the list. */
export function list(tables: Brief[]): HTMLElement[] {
  document.title = "Tables · gamehub-graph";
  const lines = tables.map(line);
  const status = element("p", { class: "note", role: "status" });
  const matches = (words: string[], { name, description, columns }: Brief) => {
    const text = [name, description, ...(columns ?? [])].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { table, row } of lines) row.hidden = !matches(words, table);
    const shown = lines.filter(({ row }) => !row.hidden).length;
    status.textContent = words.length ? `${shown} of ${lines.length} tables` : `${lines.length} tables`;
  };
  const search = element("input", { type: "search", placeholder: "Name, meaning or column", "aria-label": "Search tables", input: filter });
  search.addEventListener("keydown", (event) => {
    const first = lines.find(({ row }) => !row.hidden);
    if (event.key === "Enter" && first) location.assign(at(`/tables/${first.table.name}`));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target instanceof HTMLInputElement) return;
    event.preventDefault();
    search.focus();
  });
  const all = element("button", {
    type: "button",
    title: "Reads each table from the upstreams, unless the server has it. Two at a time.",
    click: async () => {
      all.disabled = true;
      const left = lines.filter((one) => one.count && !one.row.hidden);
      const work = async () => {
        for (let next = left.shift(); next; next = left.shift()) await next.count!();
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      all.disabled = false;
    },
  }, "Count the rows of all");
  const heads: [string, string][] = [["Table", ""], ["What its rows are", ""], ["Rows", "number"], ["Columns", "number wide"], ["Parameters", "wide"], ["Download", "wide"]];
  filter();
  return [
    element("h1", {}, "Tables"),
    element("p", { class: "lead" }, "Each is a saved query as flat, typed rows at an address: whole, exact, and with a known age."),
    element("div", { class: "row finding", role: "search" }, search, element("span", { class: "note keys" }, element("kbd", {}, "/"), " to search, ", element("kbd", {}, "Enter"), " to open the first"), status, all),
    element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "The tables" },
      element(
        "table",
        { id: "tables" },
        element("thead", {}, element("tr", {}, ...heads.map(([head, style]) => element("th", { class: style }, head)))),
        element("tbody", {}, ...lines.map(({ row }) => row)),
      ),
    ),
    element(
      "p",
      { class: "note" },
      "Underlined parameters are required. A count is that of the usual period of a table. OData clients find the same tables at ",
      element("a", { href: at("/odata") }, at("/odata")),
      ".",
    ),
  ];
}
