/** The rows of a result: typed, exact, to sort by each column. Only the first ones are drawn. */
import { element } from "../frame/element";
import type { Cell, Result, ResultColumn } from "./requests";

export const SHOWN = 500;

export const isNumber = ({ type }: ResultColumn) => /^(DECIMAL|U?(TINY|SMALL|BIG|HUGE)?INT|INTEGER|UINTEGER|DOUBLE|FLOAT)/.test(type);
export const isTime = ({ type }: ResultColumn) => /^(DATE|TIME)/.test(type);

export const text = (cell: Cell): string => (Array.isArray(cell) ? `[${cell.map(text).join(", ")}]` : String(cell));

/** Compare two numbers by their digits. Only what has an exponent is compared as a float. */
function compareNumbers(a: string, b: string): number {
  if (/e/i.test(a + b)) return Number(a) - Number(b);
  const negative = a.startsWith("-");
  if (negative !== b.startsWith("-")) return negative ? -1 : 1;
  const [[wholeA = "", partA = ""], [wholeB = "", partB = ""]] = [a, b].map((one) => one.replace("-", "").split(".")) as [string[], string[]];
  const digits = Math.max(partA.length, partB.length);
  const [first, second] = [wholeA + partA.padEnd(digits, "0"), wholeB + partB.padEnd(digits, "0")].map(BigInt) as [bigint, bigint];
  return (first < second ? -1 : first > second ? 1 : 0) * (negative ? -1 : 1);
}

function sorted(rows: Cell[][], place: number, numeric: boolean, descending: boolean): Cell[][] {
  const compare = (a: Cell, b: Cell) => (numeric ? compareNumbers(text(a), text(b)) : text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0);
  return [...rows].sort((left, right) => {
    const [a, b] = [left[place] ?? null, right[place] ?? null];
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1; // null is last either way
    return descending ? compare(b, a) : compare(a, b);
  });
}

export function grid({ columns, rows, count }: Result): HTMLElement {
  let by: { place: number; descending: boolean } | null = null;
  const body = element("tbody", {});
  const note = element("p", { class: "note" });
  const cell = (value: Cell, column: ResultColumn) =>
    element("td", { class: value === null ? "null" : isNumber(column) ? "number" : "" }, value === null ? "null" : text(value));
  const heads = columns.map((column, place) =>
    element(
      "th",
      { class: isNumber(column) ? "number" : "", scope: "col" },
      element(
        "button",
        {
          type: "button",
          click: () => {
            by = by?.place !== place ? { place, descending: isNumber(column) } : by.descending === isNumber(column) ? { place, descending: !by.descending } : null;
            draw();
          },
        },
        element("span", {}, column.name),
        " ",
        element("small", {}, column.type),
      ),
    ),
  );
  function draw() {
    heads.forEach((head, place) => {
      if (by?.place === place) head.setAttribute("aria-sort", by.descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const chosen = by ? sorted(rows, by.place, isNumber(columns[by.place]!), by.descending) : rows;
    body.replaceChildren(
      ...chosen.slice(0, SHOWN).map((row) => element("tr", {}, ...columns.map((column, place) => cell(row[place] ?? null, column)))),
    );
    const many = count > SHOWN ? `The first ${SHOWN} of ${count.toLocaleString("en")} rows are shown; downloads have all of them.` : "";
    const partly = by && count > rows.length ? ` Sorted among the first ${rows.length.toLocaleString("en")} rows; ORDER BY sorts all.` : "";
    note.textContent = many + partly;
    note.hidden = !note.textContent;
  }
  draw();
  return element(
    "div",
    {},
    element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rows" },
      element("table", { id: "rows" }, element("thead", {}, element("tr", {}, ...heads)), body),
    ),
    note,
  );
}
