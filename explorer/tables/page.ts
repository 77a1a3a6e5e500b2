/** `/tables` and `/tables/{name}` for people: the list of tables, and the page of one. */
import "../frame/page.css";
import "../rows/rows.css";
import "./page.css";
import "../frame/header";

import { about } from "../frame/about";
import { pathOf } from "../frame/address";
import { element } from "../frame/element";
import { load } from "../frame/requests";
import { list } from "./list";
import { one } from "./one";
import type { Brief, Table } from "./table";

const main = document.querySelector("main")!;

const failed = (error: unknown) =>
  element("p", { class: "failed", role: "alert" }, error instanceof Error ? error.message : String(error));

const name = pathOf().split("/")[2];
try {
  if (name) {
    const [table, closed] = await Promise.all([load<Table>(`/tables/${name}/schema`), about().then(({ authentication }) => authentication, () => false)]);
    main.replaceChildren(...one(table, closed));
  }
  else main.replaceChildren(...list((await load<{ tables: Brief[] }>("/tables")).tables));
} catch (error) {
  main.replaceChildren(failed(error));
}
