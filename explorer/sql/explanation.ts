/** What a statement reads: its tables, keys and days, and the upstream calls that this needs. */
import { element } from "../frame/element";
import type { ExplainedTable, Explanation } from "./requests";

const counted = (count: number, one: string) => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;

function summary({ calls, fewest, most, depends, rows, files, tables }: Explanation): string {
  if (!tables.length) return "The statement reads no table, and makes no upstream call.";
  if (files.there === files.needed) return `No upstream call: ${files.needed === 1 ? "the file is" : `all ${files.needed} files are`} here already.`;
  const range = depends && fewest !== most ? ` (from ${fewest} to ${most}, because later calls depend on rows)` : "";
  const of = files.foreseen < files.needed ? ` for the first ${files.foreseen} of ${counted(files.needed, "file")}` : ` for ${counted(files.needed, "file")}`;
  const there = files.there ? `, of which ${files.there === 1 ? "1 is" : `${files.there} are`} here already` : "";
  return `${counted(calls, "upstream call")}${range}${of}${there}; about ${counted(rows, "row")}.`;
}

const listed = (values: string[]) => values.map((one) => element("code", {}, one));

const shown = (value: unknown) =>
  typeof value === "object" && value !== null && "distinct" in value ? `(${value.distinct} of them)` : String(value);

function plan({ plan }: ExplainedTable): HTMLElement {
  const heads = ["Report", "Of", "Calls", "From the cache", "Rows"];
  const number = (place: number) => (place > 1 ? "number" : "");
  const cells = (call: ExplainedTable["plan"][number]) => [
    `${call.report} ${call.type}`,
    Object.entries(call.parameters).map(([name, value]) => `${name} ${shown(value)}`).join(", ") || "all",
    String(call.calls),
    String(call.held),
    call.rows.toLocaleString("en"),
  ];
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Upstream calls" },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...heads.map((head, place) => element("th", { class: number(place), scope: "col" }, head)))),
      element("tbody", {}, ...plan.map((call) => element("tr", {}, ...cells(call).map((text, place) => element("td", { class: number(place) }, text))))),
    ),
  );
}

function table(one: ExplainedTable): HTMLElement {
  const days = one.days.map(({ from, to }) => (from === to ? from : `${from} to ${to}`));
  const keys = Object.entries(one.keys).map(([name, values]) => `${name} ${values.join(", ")}`);
  const facts: [string, string[]][] = [["Keys", keys], ["Days", days], ["Columns", one.columns], ["Filters", one.filters]];
  return element(
    "article",
    {},
    element("h3", {}, one.table),
    element(
      "dl",
      {},
      ...facts.filter(([, values]) => values.length).flatMap(([name, values]) => [element("dt", {}, name), element("dd", {}, ...listed(values))]),
    ),
    one.plan.length ? plan(one) : element("p", { class: "note" }, "Its files are here already: no upstream call."),
    one.document !== undefined && element("details", {}, element("summary", {}, "The query in the graph"), element("pre", {}, element("code", {}, one.document))),
  );
}

export function explanation(found: Explanation): HTMLElement {
  return element(
    "section",
    { id: "explanation" },
    element("h2", {}, "What it reads"),
    element("p", { class: "summary" }, summary(found)),
    ...found.tables.map(table),
  );
}
