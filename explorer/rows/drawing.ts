/** Draw a chart. Only the places of its pixels are floats: what it says has the digits of the figures. */
import { BarController, BarElement, CategoryScale, Chart, Legend, LineController, LineElement, LinearScale, PointElement, Tooltip } from "chart.js";

import { separated } from "./decimal";
import type { Totals } from "./totals";

Chart.register(BarController, BarElement, CategoryScale, Legend, LineController, LineElement, LinearScale, PointElement, Tooltip);

export const KINDS = ["bars", "stacked bars", "lines"] as const;
export type ChartKind = (typeof KINDS)[number];

const COLOURS = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#edc948", "#9c9c9c"];
const MOST_POINTS = 60;

/** The caller destroys the chart before it draws another one on the same canvas. */
export function draw(canvas: HTMLCanvasElement, kind: ChartKind, { labels: places, series, others }: Totals, title: string): Chart {
  const labels = others.labels ? places.slice(0, -1) : places; // what is together could make all else small
  const style = getComputedStyle(canvas);
  Chart.defaults.color = style.getPropertyValue("--soft").trim() || style.color;
  Chart.defaults.borderColor = style.getPropertyValue("--line").trim() || style.color;
  Chart.defaults.font.family = style.fontFamily;
  const stacked = kind === "stacked bars";
  const datasets = series.map(({ label, currency, values }, place) => {
    const colour = COLOURS[place % COLOURS.length]!;
    const data = values.slice(0, labels.length).map((value) => (value === null ? null : Number(value)));
    const shared = { label, data, backgroundColor: colour };
    if (kind !== "lines") return { ...shared, maxBarThickness: 60, ...(stacked ? { stack: currency } : {}) };
    return { ...shared, borderColor: colour, borderWidth: 2, pointRadius: labels.length > MOST_POINTS ? 0 : 2.5, spanGaps: true };
  });
  return new Chart<"bar" | "line", (number | null)[]>(canvas, {
    type: kind === "lines" ? "line" : "bar",
    data: { labels, datasets },
    options: {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      plugins: {
        legend: { display: datasets.length > 1, position: "bottom", labels: { boxWidth: 12 } },
        tooltip: {
          callbacks: {
            label: ({ datasetIndex, dataIndex, dataset }) => `${dataset.label}: ${separated(series[datasetIndex]!.values[dataIndex] ?? "")}`,
          },
        },
      },
      scales: {
        x: { stacked, grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 16 } },
        y: { stacked, title: { display: true, text: title } },
      },
    },
  }) as Chart;
}
