/** The chart of a result: numbers across its first time or text. */
import type { Chart } from "chart.js";

import { type Series, bars } from "../frame/bars";
import { element } from "../frame/element";
import { isNumber, isTime, text } from "./grid";
import type { Cell, Result, ResultColumn } from "./requests";

const MOST_ROWS = 1000;
const MOST_SERIES = 8;

/** The chart, with what it is made of to choose; nothing where a result makes none. */
export function picture({ columns, rows }: Result): HTMLElement | undefined {
  const numbers = columns.filter(isNumber);
  const others = columns.filter((one) => !isNumber(one));
  const usual = others.find(isTime) ?? others[0];
  if (!numbers.length || !usual || rows.length < 2) return undefined;
  const drawn = rows.slice(0, MOST_ROWS);
  const place = (column: ResultColumn) => columns.indexOf(column);
  const values = (column: ResultColumn) => [...new Set(drawn.map((row) => label(row[place(column)] ?? null)))];
  const repeats = values(usual).length < drawn.length;
  const few = others.filter((one) => one !== usual && values(one).length <= MOST_SERIES);
  const select = (name: string, offered: ResultColumn[], none: string | null, chosen: ResultColumn | undefined) =>
    element(
      "select",
      { name, "aria-label": name, change: () => draw() },
      ...(none === null ? [] : [element("option", { value: "" }, none)]),
      ...offered.map((one) => element("option", { value: String(place(one)), selected: one === chosen }, one.name)),
    );
  const by = select("by", few, "nothing", repeats ? few[0] : undefined);
  const y = select("number", numbers, numbers.length > 1 ? "all numbers" : null, numbers.length > 1 ? undefined : numbers[0]);
  const x = select("across", others, null, usual);
  const canvas = element("canvas", { role: "img", "aria-label": "chart" });
  let chart: Chart | undefined;

  function draw() {
    const across = columns[Number(x.value)]!;
    const split = by.value && by.value !== x.value ? columns[Number(by.value)] : undefined;
    const chosen = y.value ? [columns[Number(y.value)]!] : numbers;
    const number = (row: Cell[], column: ResultColumn) => (row[place(column)] == null ? null : Number(row[place(column)]));
    let labels = drawn.map((row) => label(row[place(across)] ?? null));
    let series: Series[] = chosen.slice(0, MOST_SERIES).map((one) => ({ label: one.name, data: drawn.map((row) => number(row, one)) }));
    if (split) {
      const each = labels;
      labels = [...new Set(each)];
      series = values(split).map((name) => ({ label: name, stack: "", data: new Array(labels.length).fill(null) }));
      const found = new Map(series.map((one) => [one.label, one.data]));
      drawn.forEach((row, at) => {
        const data = found.get(label(row[place(split)] ?? null))!;
        const where = labels.indexOf(each[at]!);
        data[where] = (data[where] ?? 0) + (number(row, chosen[0]!) ?? 0);
      });
    }
    chart?.destroy();
    chart = bars(canvas, labels, series, split || chosen.length === 1 ? chosen[0]!.name : "");
  }

  requestAnimationFrame(draw); // once it stands in the page, and has a size
  return element(
    "section",
    { id: "chart" },
    element("h2", {}, "Chart"),
    element(
      "div",
      { class: "row" },
      element("label", {}, "Show ", y),
      element("label", {}, "across ", x),
      few.length > 0 && element("label", {}, "by ", by),
      rows.length > MOST_ROWS && element("span", { class: "note" }, `Of the first ${MOST_ROWS.toLocaleString("en")} rows.`),
    ),
    element("div", { class: "canvas" }, canvas),
  );
}

/** A value below the axis: a time without its seconds if it has none. */
const label = (cell: Cell) => (cell === null ? "null" : text(cell).replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:00)?/, "$1 $2").replace(/ 00:00Z$/, ""));
