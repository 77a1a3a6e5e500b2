/** `/tables` and `/tables/{name}` for people: the list of tables, and the page of one. */
import "../frame/page.css";
import "../rows/rows.css";
import "./page.css";
import "../frame/header";

import { about } from "../frame/about";
import { element } from "../frame/element";
import { load } from "../frame/requests";
import { one } from "./one";
import type { Brief, Table } from "./table";

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

const name = location.pathname.split("/")[2];
try {
  if (name) {
    const [table, closed] = await Promise.all([load<Table>(`/tables/${name}/schema`), about().then(({ authentication }) => authentication, () => false)]);
    main.replaceChildren(...one(table, closed));
  }
  else list((await load<{ tables: Brief[] }>("/tables")).tables);
} catch (error) {
  main.replaceChildren(failed(error));
}
