/** The picture of a table: a number, summed by hour, day or category. The sums are for the eye; files have all digits. */
import { BarController, BarElement, CategoryScale, Chart, Legend, LinearScale, Tooltip } from "chart.js";

import { element } from "./element";
import { type Column, type Row, isNumber, isText, isTime } from "./table";

Chart.register(BarController, BarElement, CategoryScale, LinearScale, Legend, Tooltip);

const MOST_SERIES = 7;
const MOST_CATEGORIES = 30;
const COLOURS = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#edc948", "#9c9c9c"];

interface Choice {
  x: Column;
  y: Column | null;
  by: Column | null;
}

const values = (rows: Row[], column: Column) => new Set(rows.map((row) => String(row[column.name] ?? "—")));

/** The columns that a picture can be made of, if any. */
export function choices(columns: Column[], rows: Row[]) {
  const few = columns.filter((column) => {
    if (!isText(column)) return false;
    const count = values(rows, column).size;
    return count > 1 && count <= MOST_CATEGORIES && count < rows.length;
  });
  const named = columns.filter((column) => isText(column) && rows.length <= MOST_CATEGORIES && !/id$/i.test(column.name));
  const across = [...columns.filter(isTime), ...few, ...named.filter((column) => !few.includes(column))];
  return { across, numbers: columns.filter(isNumber), few };
}

/** The names of the buckets of a time: hours of up to three days, else days. */
function buckets(rows: Row[], x: Column): { name: (row: Row) => string; all: string[] } {
  const times = rows.map((row) => String(row[x.name] ?? "")).filter(Boolean);
  if (!isTime(x)) {
    const name = (row: Row) => String(row[x.name] ?? "—");
    return { name, all: [...new Set(rows.map(name))].slice(0, MOST_CATEGORIES) };
  }
  const first = times.reduce((a, b) => (a < b ? a : b), times[0] ?? "");
  const last = times.reduce((a, b) => (a > b ? a : b), times[0] ?? "");
  const hourly = first.length > 10 && Date.parse(last) - Date.parse(first) <= 3 * 86_400_000;
  const length = hourly ? 13 : 10;
  const shown = (text: string) => (hourly ? `${text.slice(5, 10)} ${text.slice(11, 13)}:00` : text.slice(0, 10));
  const all: string[] = [];
  const step = hourly ? 3_600_000 : 86_400_000;
  for (let at = Math.floor(Date.parse(first) / step) * step; at <= Date.parse(last) && all.length < 4000; at += step) {
    all.push(shown(new Date(at).toISOString().slice(0, length)));
  }
  return { name: (row) => shown(String(row[x.name] ?? "")), all };
}

function series(rows: Row[], choice: Choice) {
  const { name, all } = buckets(rows, choice.x);
  const places = new Map(all.map((label, place) => [label, place]));
  const sums = new Map<string, number[]>();
  const sizes = new Map<string, number>();
  const key = (row: Row) => (choice.by ? String(row[choice.by.name] ?? "—") : (choice.y?.name ?? "rows"));
  for (const row of rows) sizes.set(key(row), (sizes.get(key(row)) ?? 0) + 1);
  const kept = [...sizes].sort((a, b) => b[1] - a[1]).map(([one]) => one);
  const rest = new Set(kept.slice(kept.length > MOST_SERIES + 1 ? MOST_SERIES : kept.length));
  for (const row of rows) {
    const place = places.get(name(row));
    if (place === undefined) continue;
    const one = rest.has(key(row)) ? "others" : key(row);
    const found = sums.get(one) ?? new Array<number>(all.length).fill(0);
    found[place]! += choice.y ? Number(row[choice.y.name] ?? 0) : 1;
    sums.set(one, found);
  }
  const order = [...kept.filter((one) => !rest.has(one)), ...(rest.size ? ["others"] : [])];
  return {
    labels: all,
    datasets: order.map((label, place) => ({
      label,
      data: sums.get(label) ?? [],
      backgroundColor: COLOURS[place % COLOURS.length]!,
      stack: "one",
    })),
  };
}

/** The picture with what it is made of to choose; nothing where the rows make none. */
export function picture(columns: Column[], rows: Row[], note: string): HTMLElement | undefined {
  const { across, numbers, few } = choices(columns, rows);
  if (!rows.length || !across.length) return undefined;
  const select = (name: string, offered: Column[], none: string | null, chosen: Column | undefined) =>
    element(
      "select",
      { name, "aria-label": name, change: () => draw() },
      ...(none === null ? [] : [element("option", { value: "" }, none)]),
      ...offered.map((one) => element("option", { value: one.name, selected: one === chosen }, one.name)),
    );
  // A balance or a rate makes no sum; money does.
  const y = select("number", numbers, "number of rows", numbers.find((one) => /amount|net|wager|bet|value|profit/i.test(one.name)) ?? numbers[0]);
  const x = select("across", across, null, across[0]);
  const groups = few.filter((one) => one !== across[0]);
  const best = groups.find((one) => one.values || /type/i.test(one.name));
  const by = select("by", groups, "nothing", best);
  const canvas = element("canvas", { role: "img", "aria-label": "chart" });
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  Chart.defaults.color = dark ? "#c5cad3" : "#4a5160";
  Chart.defaults.borderColor = dark ? "#3a4150" : "#e6e8ec";
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  let chart: Chart | undefined;
  function draw() {
    const pick = (from: Column[], input: HTMLSelectElement) => from.find((one) => one.name === input.value) ?? null;
    const choice = { x: pick(across, x) ?? across[0]!, y: pick(numbers, y), by: pick(groups, by) };
    const data = series(rows, choice);
    chart?.destroy();
    chart = new Chart(canvas, {
      type: "bar",
      data,
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        plugins: { legend: { display: data.datasets.length > 1, position: "bottom", labels: { boxWidth: 12 } } },
        scales: {
          x: { stacked: true, grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 16 } },
          y: { stacked: true, title: { display: true, text: choice.y?.name ?? "rows" } },
        },
      },
    });
  }
  requestAnimationFrame(draw); // once it stands in the page, and has a size
  return element(
    "section",
    { id: "chart" },
    element("h2", {}, "Chart"),
    element(
      "div",
      { class: "row" },
      element("label", {}, "Sum of ", y),
      element("label", {}, "across ", x),
      groups.length > 0 && element("label", {}, "by ", by),
      element("span", { class: "note" }, note),
    ),
    element("div", { class: "canvas" }, canvas),
  );
}
