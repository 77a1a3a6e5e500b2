/** Create a signed link: an address that reads this table, and nothing else, for some time and without a key. */
import { copy } from "../frame/clipboard";
import { element } from "../frame/element";
import { send } from "../frame/requests";
import { local } from "../rows/calendar";
import type { Table } from "./table";

const LIFETIMES: [string, string][] = [["1h", "an hour"], ["24h", "a day"], ["7d", "seven days"]];

export function linkForm(table: Table, query: string): HTMLElement {
  const form = element("select", { name: "format" }, ...Object.keys(table.formats).map((one) => element("option", { value: one }, one)));
  const lifetime = element("select", { name: "lifetime" }, ...LIFETIMES.map(([value, label]) => element("option", { value }, label)));
  const result = element("div", { role: "status" });

  async function create() {
    const path = `/tables/${table.name}.${form.value}/link?${new URLSearchParams([...new URLSearchParams(query), ["_lifetime", lifetime.value]])}`;
    const answer = await send(path, { method: "POST" });
    const content = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(content.errors?.[0]?.message ?? `The server answers ${answer.status}.`);
    const address = location.origin + content.link;
    const field = element("input", { readonly: true, value: address, "aria-label": "Signed link", focus: () => field.select() });
    const copying = element("button", { type: "button", click: async () => (await copy(address), (copying.textContent = "Copied")) }, "Copy");
    const end = local(Date.parse(content.expires), table.timezone).replace("T", " ");
    result.replaceChildren(
      element("div", { class: "row" }, field, copying),
      element("p", { class: "note" }, `Until ${end} (${table.timezone}), whoever has this link reads ${table.name} as ${form.value} with these parameters, as your key sees it, and nothing else. Revoking your key ends it.`),
    );
  }

  return element(
    "details",
    { class: "link" },
    element("summary", {}, "Create a link"),
    element("p", { class: "note" }, "For a program that sends no key, such as Google Sheets."),
    element(
      "form",
      {
        "aria-label": "Signed link",
        submit: (event) => {
          event.preventDefault();
          create().catch((error: Error) => result.replaceChildren(element("p", { class: "failed" }, error.message)));
        },
      },
      element("label", {}, element("span", {}, "format"), form),
      element("label", {}, element("span", {}, "for"), lifetime),
      element("button", { type: "submit" }, "Create"),
    ),
    result,
  );
}
