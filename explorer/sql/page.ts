/** `/sql` for people: write a statement, see what it reads, run it, look at its rows and take them along. */
import "../frame/page.css";
import "../rows/rows.css";
import "../tables/page.css";
import "./page.css";
import "../frame/header";

import { about } from "../frame/about";
import { at } from "../frame/address";
import { copy } from "../frame/clipboard";
import { element } from "../frame/element";
import { counted } from "../rows/column";
import { save } from "../rows/saving";
import { type Catalog, catalog } from "./catalog";
import { editor } from "./editor";
import { examples } from "./examples";
import { explanation } from "./explanation";
import { Refusal, type Result, explain, file, run } from "./requests";
import { picture, rowsOf } from "./shown";
import { list } from "./tables";

const FORMATS = ["csv", "ndjson", "arrow", "parquet"];
const LONGEST_ADDRESS = 8000;
const PLACE = /line (\d+), column (\d+)/;
const UNREACHED = "The server cannot be reached, or it ended the connection before the end of the result. Try again.";

const main = document.querySelector("main")!;
let known: Catalog = { tables: [], reason: null };
let running: AbortController | null = null;
const zone = about().then((found) => found.zone ?? "UTC", () => "UTC");

const mac = /mac/i.test(navigator.platform);
const writer = editor(() => known.tables, () => void show(), () => writer.unmark());
const result = element("div", { id: "result" });
const plan = element("div", {});
const status = element("p", { class: "status", role: "status" });
const runs = element("button", { type: "button", class: "run", title: "Ctrl+Enter, or ⌘ Enter", click: () => void show() }, "Run ", element("kbd", {}, mac ? "⌘⏎" : "Ctrl ⏎"));
const cancels = element("button", { type: "button", hidden: true, click: () => running?.abort() }, "Cancel");
const explains = element("button", { type: "button", click: () => void tell() }, "Explain");
const shares = element("button", { type: "button", click: () => void share() }, "Copy link");
const chosen = element("select", { name: "example", "aria-label": "Examples", change: () => begin() });
const aside = element("aside", { "aria-label": "Tables" });

const said = (bytes: number) => (bytes < 1024 ? `${bytes} bytes` : bytes < 1 << 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`);
const lasted = (milliseconds: number) => `${(milliseconds / 1000).toFixed(2)} s`;
const address = () => at(`/sql?q=${encodeURIComponent(writer.text())}`);

/** The error as the server wrote it, its code, and the place that it names. */
function failure(error: unknown): HTMLElement {
  const refused = error instanceof Refusal ? error : null;
  const message = refused ? refused.message : error instanceof TypeError ? UNREACHED : String(error);
  const place = PLACE.exec(message);
  const go = () => writer.mark(Number(place![1]), Number(place![2]));
  if (place) go();
  const code = refused && [refused.code, refused.status === 200 ? "" : refused.status].filter(Boolean).join(", ");
  return element("div", { class: "failed", role: "alert" }, element("p", {}, message), code ? element("p", {}, element("code", {}, code)) : undefined);
}

/** Do one thing at a time. It can be cancelled, and it shows that it is under way. */
async function busy(what: string, work: (signal: AbortSignal, count: (rows: number) => void) => Promise<void>, place: HTMLElement) {
  running?.abort();
  const mine = (running = new AbortController());
  const begun = performance.now();
  let more = "";
  const tick = () => (status.textContent = `${what} … ${lasted(performance.now() - begun)}${more}`);
  const ticking = setInterval(tick, 200);
  tick();
  cancels.hidden = false;
  main.setAttribute("data-busy", "");
  place.setAttribute("aria-busy", "true");
  writer.unmark();
  try {
    await work(mine.signal, (rows) => (more = `, ${counted(rows, "row")} so far`));
  } catch (error) {
    if (mine !== running) return;
    status.textContent = mine.signal.aborted ? "Cancelled." : "";
    if (!mine.signal.aborted) place.replaceChildren(failure(error));
  } finally {
    clearInterval(ticking);
    if (mine === running) {
      running = null;
      cancels.hidden = true;
      main.removeAttribute("data-busy");
      place.removeAttribute("aria-busy");
    }
  }
}

function show() {
  const text = writer.text();
  history.replaceState(null, "", address().length <= LONGEST_ADDRESS ? address() : at("/sql"));
  return busy(
    "Running",
    async (signal, count) => {
      const found = await run(text, signal, count);
      plan.replaceChildren();
      result.replaceChildren(...parts(found, await zone));
      status.textContent = `${counted(found.count, "row")}, ${said(found.bytes)}, ${lasted(found.milliseconds)}`;
    },
    result,
  );
}

function parts(found: Result, zone: string): HTMLElement[] {
  const chart = picture(found, zone);
  const rows = element("section", { id: "grid" }, element("h2", {}, found.count ? "Rows" : "No rows"), rowsOf(found), downloads(found.text));
  return chart ? [chart, rows] : [rows];
}

/** Downloads of the whole result. Results are not stored, so each runs the statement again. */
function downloads(text: string): HTMLElement {
  const take = (form: string) =>
    busy(
      `Reading ${form}`,
      async (signal) => {
        const found = await file(text, form, signal);
        save(found, `result.${form}`);
        status.textContent = `result.${form}, ${said(found.size)}`;
      },
      saved,
    );
  const saved = element("span", {});
  return element(
    "p",
    { class: "downloads" },
    "The whole result: ",
    ...FORMATS.map((form) => element("button", { type: "button", click: () => void take(form) }, form)),
    element("span", { class: "note" }, "Each runs the statement again."),
    saved,
  );
}

function tell() {
  return busy(
    "Explaining",
    async (signal) => {
      plan.replaceChildren(explanation(await explain(writer.text(), signal)));
      status.textContent = "Explained. Nothing was called, and no rows were read.";
    },
    plan,
  );
}

async function share() {
  if (address().length > LONGEST_ADDRESS) {
    status.textContent = "The statement is too long for an address: send it by POST.";
    return;
  }
  history.replaceState(null, "", address());
  try {
    await copy(location.origin + address());
    status.textContent = "The link is copied. It opens this page with the statement, for whoever may read the tables.";
  } catch {
    status.textContent = "The browser does not let this page copy: the link is in the address bar.";
  }
}

function begin() {
  const text = examples(known)[Number(chosen.value)]?.text;
  if (text) writer.set(text);
  chosen.selectedIndex = 0;
}

main.replaceChildren(
  element("h1", {}, "SQL"),
  element("p", { class: "lead" }, "One SELECT over the tables of the graph. The server reads only the days and keys that the statement names."),
  element(
    "div",
    { class: "work" },
    element("div", { class: "writing" }, writer.element, element("div", { class: "row bar" }, runs, cancels, explains, shares, chosen), status, plan, result),
    aside,
  ),
);
const given = new URLSearchParams(location.search).get("q");
if (given !== null) {
  writer.set(given);
  void tell(); // a link runs nothing by itself
}
aside.setAttribute("aria-busy", "true");
try {
  known = await catalog();
  aside.replaceChildren(...list(known, writer.insert));
} catch (error) {
  aside.replaceChildren(failure(error));
}
aside.removeAttribute("aria-busy");
const offered = examples(known);
chosen.replaceChildren(
  element("option", { value: "" }, "Examples"),
  ...offered.map(({ title }, place) => element("option", { value: String(place) }, title)),
);
chosen.hidden = !offered.length;
if (!writer.text() && offered[0]) writer.set(offered[0].text);
