/** A chart with its choices, and its figures as a table for whoever does not see it. */
import type { Chart } from "chart.js";

import { element } from "../frame/element";
import { PARTS, type Part } from "./calendar";
import { type Column, counted, isTime } from "./column";
import { separated } from "./decimal";
import { type ChartKind, KINDS, draw } from "./drawing";
import type { Choice, Totals } from "./totals";

/** Where figures come from. `numbers`, `across` and `by` are the columns that may be chosen, the usual ones first. */
export interface ChartSource {
  numbers: Column[];
  across: Column[];
  by: Column[];
  /** The column that makes series if nothing is chosen. */
  usualBy: Column | null;
  /** Whether several numbers may be shown together. */
  several: boolean;
  /** A sentence about what the figures are of. */
  note: string;
  totals: (choice: Choice) => Promise<Totals>;
  /** What stands below the chart. */
  below?: (choice: Choice) => (Node | string)[];
}

/** What a person chose, by name. An absent choice is the usual one. */
export type ChartState = Partial<Record<"kind" | "number" | "across" | "per" | "by" | "top", string>>;

const TOPS = ["5", "10", "20", "50"];
const USUAL_TOP = "20";
const HOURLY_DAYS = 3;
const FEWEST_POINTS = 3;
const ALL = "*";
const ROWS = "";

/** Return the chart; nothing if the source has nothing to go across. `changed` is told what was chosen. */
export function chart(source: ChartSource, state: ChartState = {}, changed: (state: ChartState) => void = () => {}): HTMLElement | undefined {
  const { across, numbers, by } = source;
  if (!across.length || (!numbers.length && source.several)) return undefined;
  const chosen: ChartState = { ...state };
  const select = (name: keyof ChartState, offered: [value: string, label: string][], value: string) =>
    element(
      "select",
      {
        name,
        change: (event) => {
          chosen[name] = (event.currentTarget as HTMLSelectElement).value;
          if (name === "across") delete chosen.per;
          changed(chosen);
          void show();
        },
      },
      ...offered.map(([one, label]) => element("option", { value: one, selected: one === value }, label)),
    );
  const named = (columns: Column[]) => columns.map(({ name }): [string, string] => [name, name]);
  const all: [string, string][] = source.several ? (numbers.length > 1 ? [[ALL, "all numbers"]] : []) : [[ROWS, "number of rows"]];
  const known = (name: string | undefined, columns: Column[], more: string[], usual: string) =>
    name !== undefined && (more.includes(name) || columns.some((one) => one.name === name)) ? name : usual;
  const usualNumber = source.several ? all[0]?.[0] ?? numbers[0]!.name : numbers[0]?.name ?? ROWS;
  const y = select("number", [...all, ...named(numbers)], known(chosen.number, numbers, all.map(([one]) => one), usualNumber));
  const x = select("across", named(across), known(chosen.across, across, [], across[0]!.name));
  const per = select("per", PARTS.map((one) => [one, one]), chosen.per ?? "");
  const split = select("by", [[ROWS, "nothing"], ...named(by)], known(chosen.by, by, [ROWS], source.usualBy && source.usualBy !== across[0] ? source.usualBy.name : ROWS));
  const kind = select("kind", [["", "usual"], ...KINDS.map((one): [string, string] => [one, one])], chosen.kind ?? "");
  const top = select("top", [...TOPS.map((one): [string, string] => [one, one]), ["all", "all"]], chosen.top ?? USUAL_TOP);
  const each = element("label", {}, "per ", per);
  const most = element("label", {}, "top ", top);
  const splitting = element("label", {}, "by ", split);
  const canvas = element("canvas", { role: "img", "aria-label": "The chart is being read" });
  const drawn = element("div", { class: "canvas" }, canvas);
  const failed = element("p", { class: "failed", role: "alert", hidden: true });
  const figures = element("details", { class: "figures" }, element("summary", {}, "The figures of the chart"));
  const below = element("p", { class: "downloads" });
  const note = element("p", { class: "note" });
  let picture: Chart | undefined;
  let fill: () => unknown = () => {};
  let last = 0;
  figures.addEventListener("toggle", () => fill());

  function choice(): Choice {
    const column = across.find(({ name }) => name === x.value)!;
    const several = y.value === ALL;
    return {
      across: column,
      part: isTime(column) ? (known(chosen.per, [], PARTS, "day") as Part) : null,
      numbers: several ? numbers : numbers.filter(({ name }) => name === y.value),
      by: several ? null : by.find(({ name }) => name === split.value && name !== x.value) ?? null,
      top: isTime(column) || top.value === "all" ? null : Number(top.value),
    };
  }

  async function show() {
    const number = ++last;
    let wanted = choice();
    const moments = wanted.across.kind === "timestamp";
    if (!moments && wanted.part === "hour") wanted.part = "day";
    each.hidden = !wanted.part;
    most.hidden = wanted.part !== null;
    splitting.hidden = y.value === ALL || !by.length;
    per.options[0]!.disabled = !moments;
    drawn.setAttribute("aria-busy", "true");
    try {
      let found = await source.totals(wanted);
      // Up to three days are shown by the hour, if nobody chose something else.
      if (moments && !chosen.per && found.labels.length <= HOURLY_DAYS && number === last) {
        wanted = { ...wanted, part: "hour" };
        found = await source.totals(wanted);
      }
      if (number !== last) return; // something else was chosen meanwhile
      per.value = wanted.part ?? "";
      paint(found, wanted);
      failed.hidden = true;
      below.replaceChildren(...(source.below?.(wanted) ?? []));
    } catch (error) {
      if (number !== last) return;
      failed.textContent = error instanceof Error ? error.message : String(error);
      failed.hidden = false;
    } finally {
      if (number === last) drawn.removeAttribute("aria-busy");
    }
  }

  function paint(found: Totals, wanted: Choice) {
    const shown = (kind.value || (wanted.part && found.labels.length >= FEWEST_POINTS ? "lines" : wanted.by ? "stacked bars" : "bars")) as ChartKind;
    const title = titled(found, wanted);
    picture?.destroy();
    picture = draw(canvas, shown, found, title);
    canvas.setAttribute("aria-label", described(shown, title, found, wanted));
    const { labels, series } = found.others;
    const more = [
      ...(labels ? [`${counted(labels, `other ${wanted.across.name}`, `other values of ${wanted.across.name}`)} ${labels === 1 ? "is" : "are"} not drawn; the figures have the sum.`] : []),
      ...(series ? [`${counted(series, "other series", "other series")} ${series === 1 ? "is" : "are"} added up as others.`] : []),
    ];
    note.textContent = [source.note, ...more].join(" ");
    fill = () => figures.open && figures.replaceChildren(figures.firstElementChild!, table(found, wanted));
    fill();
  }

  requestAnimationFrame(() => void show()); // once it stands in the page, and has a size
  return element(
    "section",
    { id: "chart" },
    element("h2", {}, "Chart"),
    element("div", { class: "row choices" }, element("label", {}, "Show ", y), element("label", {}, "across ", x), each, splitting, most, element("label", {}, "as ", kind)),
    note,
    drawn,
    failed,
    figures,
    below,
  );
}

/** What the numbers are. */
function titled({ series, added }: Totals, { numbers }: Choice): string {
  if (!numbers.length) return "rows";
  if (numbers.length > 1) return "";
  const currencies = [...new Set(series.map(({ currency }) => currency))];
  return (added ? `sum of ${numbers[0]!.name}` : numbers[0]!.name) + (currencies.length === 1 && currencies[0] ? ` (${currencies[0]})` : "");
}

/** The chart in a sentence. */
function described(kind: ChartKind, title: string, { labels, series }: Totals, { across, part, by }: Choice): string {
  const range = labels.length > 1 ? `, from ${labels[0]} to ${labels.at(-1)}` : "";
  return `${kind}: ${title || series.map(({ label }) => label).join(", ")} across ${across.name}${part ? ` per ${part}` : ""}${by ? ` by ${by.name}` : ""}, ${counted(labels.length, "place")}${range}. The figures follow as a table.`;
}

function table({ labels, series }: Totals, { across }: Choice): HTMLElement {
  const heads = [across.name, ...series.map(({ label }) => label)];
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Figures of the chart" },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...heads.map((head, place) => element("th", { scope: "col", class: place ? "number" : "" }, head)))),
      element(
        "tbody",
        {},
        ...labels.map((label, place) =>
          element("tr", {}, element("th", { scope: "row" }, label), ...series.map(({ values }) => element("td", { class: "number" }, separated(values[place] ?? "")))),
        ),
      ),
    ),
  );
}
