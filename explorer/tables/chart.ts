/** The chart of a table: a number, summed by the server over all rows, across a time or a category. */
import type { Chart } from "chart.js";

import { bars } from "../frame/bars";
import { element } from "../frame/element";
import { type Row, type Table, isText, isTime } from "./table";
import { type Choice, type Part, type Source, type Totals, choices, queryOf, totals } from "./totals";

const PARTS: Part[] = ["hour", "day", "week", "month", "year"];
const HOURLY_DAYS = 3;

/** The chart, with what it is made of to choose; nothing where the first rows make none. */
export function picture(table: Table, rows: Row[], source: Source): HTMLElement | undefined {
  const { columns } = table;
  const { across, numbers, few } = choices(columns, rows, isText);
  if (!rows.length || !across.length) return undefined;
  const select = (name: string, offered: { name: string }[], none: string | null, chosen: { name: string } | undefined, change: () => void) =>
    element(
      "select",
      { name, "aria-label": name, change },
      ...(none === null ? [] : [element("option", { value: "" }, none)]),
      ...offered.map((one) => element("option", { value: one.name, selected: one === chosen }, one.name)),
    );
  // A balance or a rate makes no sum; money does.
  const usual = numbers.find((one) => /amount|net|wager|bet|value|profit/i.test(one.name)) ?? numbers[0];
  const groups = few.filter((one) => one !== across[0]);
  const y = select("number", numbers, "number of rows", usual, () => void show());
  const x = select("across", across, null, across[0], () => void show(true));
  const per = select("per", PARTS.map((name) => ({ name })), null, undefined, () => void show());
  const by = select("by", groups, "nothing", groups.find((one) => one.values || /type/i.test(one.name)), () => void show());
  const each = element("label", {}, "per ", per);
  const canvas = element("canvas", { role: "img", "aria-label": "chart" });
  const drawn = element("div", { class: "canvas" }, canvas);
  const failed = element("p", { class: "failed", role: "alert", hidden: true });
  const downloads = element("p", { class: "downloads" });
  let chart: Chart | undefined;
  let last = 0;

  /** Show what is chosen. With `anew` the part of a time is hours for up to three days, else days. */
  async function show(anew = false) {
    const number = ++last;
    const choice: Choice = {
      across: across.find((one) => one.name === x.value) ?? across[0]!,
      part: null,
      number: numbers.find((one) => one.name === y.value) ?? null,
      by: groups.find((one) => one.name === by.value && one.name !== x.value) ?? null,
    };
    const moments = choice.across.type.startsWith("timestamp");
    if (isTime(choice.across)) choice.part = anew ? "day" : (per.value as Part);
    each.hidden = !choice.part;
    per.options[0]!.disabled = !moments;
    drawn.setAttribute("aria-busy", "true");
    try {
      let found = await totals(source, choice);
      if (anew && moments && found.labels.length <= HOURLY_DAYS) {
        found = await totals(source, { ...choice, part: "hour" });
        choice.part = "hour";
      }
      if (number !== last) return; // something else was chosen meanwhile
      if (choice.part) per.value = choice.part;
      draw(found, choice);
      failed.hidden = true;
      const query = queryOf(source, choice);
      downloads.replaceChildren(
        "These totals: ",
        ...Object.entries(table.formats).map(([form, path]) => element("a", { href: `${path}?${query}`, download: true }, form)),
      );
    } catch (error) {
      if (number !== last) return;
      failed.textContent = error instanceof Error ? error.message : String(error);
      failed.hidden = false;
    } finally {
      if (number === last) drawn.removeAttribute("aria-busy");
    }
  }

  function draw({ labels, series }: Totals, choice: Choice) {
    chart?.destroy();
    const stacks = series.map(({ label, currency, data }) => ({ label, data, stack: currency }));
    chart = bars(canvas, labels, stacks, choice.number?.name ?? "rows");
  }

  requestAnimationFrame(() => void show(true)); // once it stands in the page, and has a size
  return element(
    "section",
    { id: "chart" },
    element("h2", {}, "Chart"),
    element(
      "div",
      { class: "row" },
      element("label", {}, "Sum of ", y),
      element("label", {}, "across ", x),
      each,
      groups.length > 0 && element("label", {}, "by ", by),
      element("span", { class: "note" }, `Of all rows. Days and hours are those of ${source.timezone}.`),
    ),
    drawn,
    failed,
    downloads,
  );
}
