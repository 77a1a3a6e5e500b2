/** The list of tables beside the editor, with their columns and comments. A click inserts a name. */
import { element } from "../frame/element";
import { type Catalog, type CatalogTable, quoted, tableName } from "./catalog";

const ALONE = "Only the saved queries are tables here.";

export function list({ tables, reason }: Catalog, insert: (name: string) => void): HTMLElement[] {
  const found = element("div", { class: "tables" });
  const field = element("input", {
    type: "search",
    "aria-label": "Find a table or a column",
    placeholder: "Find a table or a column",
    input: () => draw(field.value.trim().toLowerCase()),
  });
  function draw(wanted: string) {
    const holds = (text: string) => text.toLowerCase().includes(wanted);
    const parts = tables.flatMap((one) => {
      const columns = holds(tableName(one)) ? one.columns : one.columns.filter(({ name, comment }) => holds(name) || holds(comment));
      return columns.length || holds(tableName(one)) ? [table(one, columns, wanted !== "", insert)] : [];
    });
    found.replaceChildren(...(parts.length || !tables.length ? parts : [element("p", { class: "note" }, "No table and no column has this name.")]));
  }
  draw("");
  return [
    element("h2", {}, "Tables"),
    ...(reason ? [element("p", { class: "note" }, reason.message)] : []),
    ...(reason?.code === "FORBIDDEN" ? [element("p", { class: "note" }, "So the columns are not listed.")] : []),
    ...(!reason && tables.length && !tables.some(({ schema }) => schema === "main") ? [element("p", { class: "note" }, ALONE)] : []),
    ...(tables.length ? [field, found] : []),
  ];
}

function table(one: CatalogTable, columns: CatalogTable["columns"], open: boolean, insert: (name: string) => void): HTMLElement {
  const inserting = (name: string, label: string, ...more: (HTMLElement | string)[]) =>
    element("button", { type: "button", class: "name", title: `Insert ${label}`, click: () => insert(name) }, label, ...more);
  const inside = element(
    "div",
    { hidden: !open },
    element("p", { class: "note" }, one.comment),
    element(
      "ul",
      {},
      ...columns.map(({ name, type, comment }) =>
        element("li", {}, inserting(quoted(name), name, " ", element("small", {}, type)), element("span", { class: "note" }, comment)),
      ),
    ),
  );
  const toggle = element(
    "button",
    {
      type: "button",
      class: "toggle",
      "aria-expanded": String(open),
      "aria-label": `Columns of ${tableName(one)}`,
      click: () => {
        inside.hidden = !inside.hidden;
        toggle.setAttribute("aria-expanded", String(!inside.hidden));
      },
    },
    "▸",
  );
  return element("div", { class: "table" }, toggle, inserting(tableName(one), tableName(one)), inside);
}
