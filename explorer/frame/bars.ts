/** Bars over labels: what the charts of tables and of results have in common. */
import { BarController, BarElement, CategoryScale, Chart, Legend, LinearScale, Tooltip } from "chart.js";

Chart.register(BarController, BarElement, CategoryScale, LinearScale, Legend, Tooltip);

const COLOURS = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#edc948", "#9c9c9c"];

/** One colour of bars. Bars of the same `stack` stand on each other; bars without one stand side by side. */
export interface Series {
  label: string;
  data: (number | null)[];
  stack?: string;
}

/** Draw bars. The caller destroys the chart before it draws another one on the same canvas. */
export function bars(canvas: HTMLCanvasElement, labels: string[], series: Series[], title: string): Chart<"bar", (number | null)[], string> {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  Chart.defaults.color = dark ? "#c5cad3" : "#4a5160";
  Chart.defaults.borderColor = dark ? "#3a4150" : "#e6e8ec";
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  const stacked = series.some(({ stack }) => stack !== undefined);
  const datasets = series.map((one, place) => ({ ...one, backgroundColor: COLOURS[place % COLOURS.length]! }));
  return new Chart(canvas, {
    type: "bar",
    data: { labels, datasets },
    options: {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      plugins: { legend: { display: datasets.length > 1, position: "bottom", labels: { boxWidth: 12 } } },
      scales: {
        x: { stacked, grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 16 } },
        y: { stacked, title: { display: true, text: title } },
      },
    },
  });
}
