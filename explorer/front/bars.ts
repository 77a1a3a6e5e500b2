/** Tables with bars: each line has its exact figures, and beside them what they look like. */
import { element } from "../frame/element";

export interface Line {
  name: string | HTMLElement;
  /** Other cells, as the API gives them. */
  cells: string[];
  /** The figures that are drawn, one bar for each. */
  bars: (string | null)[];
}

const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDTH = 1000;
const HEIGHT = 10;

function shape(tag: string, attributes: Record<string, string | number>): SVGElement {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}

/** Draw the figures of one line. All lines of a table have the same scale and the same zero. */
function drawing(figures: (string | null)[], least: number, most: number): SVGElement {
  const scale = WIDTH / (most - least || 1);
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT * figures.length}`, preserveAspectRatio: "none", class: "bars", "aria-hidden": "true", height: 9 * figures.length });
  figures.forEach((figure, place) => {
    const value = Number(figure ?? 0);
    const x = (Math.min(value, 0) - least) * scale;
    svg.append(shape("rect", { x, y: place * HEIGHT + 1, width: Math.abs(value) * scale, height: HEIGHT - 2, class: value < 0 ? `negative bar-${place}` : `bar-${place}` }));
  });
  const zero = -least * scale;
  svg.append(shape("line", { x1: zero, x2: zero, y1: 0, y2: HEIGHT * figures.length }));
  return svg;
}

/** Return a number with its thousands separated: every digit stays as the API gave it. */
export function grouped(text: string): string {
  const [whole, part] = text.split(".");
  const separated = whole!.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return part === undefined ? separated : `${separated}.${part}`;
}

/** Return a table. `heads` are those of the name, the picture, the figures and the other cells. */
export function barTable(caption: string, heads: string[], numbers: number[], lines: Line[]): HTMLElement {
  const values = lines.flatMap((line) => line.bars.map((figure) => Number(figure ?? 0)));
  const least = Math.min(0, ...values);
  const most = Math.max(0, ...values);
  const cell = (tag: "td" | "th", place: number, ...content: (string | Node)[]) => element(tag, { class: numbers.includes(place) ? "number" : "" }, ...content);
  const row = ({ name, cells, bars }: Line) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, name),
      element("td", { class: "picture" }, drawing(bars, least, most)),
      ...cells.map((text, place) => cell("td", place + 2, text)),
    );
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...heads.map((head, place) => cell("th", place, head)))),
      element("tbody", {}, ...lines.map(row)),
    ),
  );
}
