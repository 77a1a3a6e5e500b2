/** The form of a table: its parameters, and its window of time in the business zone. */
import { at } from "../frame/address";
import { element } from "../frame/element";
import { local, moment, withOffset } from "../rows/calendar";
import { offers } from "./offers";
import type { Parameter, Table } from "./table";

const WINDOW = ["since", "until"] as const;
const DATE = /^\d{4}-\d\d-\d\d$/;
const OFFSET = /(Z|[+-]\d\d:?\d\d)$/i;

const text = (value: unknown) => (value === null || value === undefined ? "" : String(value));

/** Return a moment of an address as a field for local times has it. */
function shownMoment(given: string, zone: string): string {
  if (!given) return "";
  if (DATE.test(given)) return `${given}T00:00`;
  const written = given.replace(/ (\d\d:?\d\d)$/, "+$1"); // a plus sign that was not encoded
  const found = OFFSET.test(written) ? local(Date.parse(written), zone) : written;
  return found.replace(/(T\d\d:\d\d):00$/, "$1").slice(0, 19);
}

/** Return a field's local time for an address: a day, or the exact moment. */
const sentMoment = (shown: string, zone: string) => (shown.endsWith("T00:00") || DATE.test(shown) ? shown.slice(0, 10) : withOffset(moment(shown, zone), zone));

function field(parameter: Parameter, value: string): HTMLElement {
  const offered = parameter.values ?? (parameter.type === "bool" ? ["true", "false"] : null);
  const fallback = text(parameter.default);
  const input = offered
    ? element(
        "select",
        { name: parameter.name },
        !parameter.required && element("option", { value: "" }, fallback ? `default: ${fallback}` : "default"),
        ...offered.map((one) => element("option", { value: one, selected: one === value }, one)),
      )
    : element("input", {
        name: parameter.name,
        value,
        required: parameter.required,
        placeholder: parameter.repeatable ? "several, with commas between" : fallback,
      });
  const list = input instanceof HTMLInputElement ? offers(parameter.name, input) : undefined;
  return element("label", {}, element("span", {}, parameter.name, parameter.required && element("b", {}, " required")), input, list);
}

/** Return the form. It begins as the address says, else by example. `show` gets the query of the table's address. */
export function form(table: Table, show: (query: string) => void): HTMLFormElement {
  const zone = table.timezone;
  const given = new URLSearchParams(location.search);
  const fresh = !location.search;
  const fields = table.parameters.map((one) => field(one, given.getAll(one.name).join(",") || (fresh || one.required ? text(one.example) : "")));
  const times = new Map<string, HTMLInputElement>();
  if (table.window) {
    const own = table.window.default?.frame?.toLowerCase() ?? "today";
    const period = given.get("period") ?? (given.has("since") ? "" : own);
    fields.push(
      element(
        "label",
        {},
        element("span", {}, "period"),
        element(
          "select",
          { name: "period" },
          element("option", { value: "" }, "since … until"),
          ...table.window.period.map((one) => element("option", { value: one, selected: one === period }, one.replaceAll("_", " "))),
        ),
      ),
    );
    for (const name of WINDOW) {
      const input = element("input", { name, type: "datetime-local", step: "any", value: shownMoment(given.get(name) ?? "", zone) });
      times.set(name, input);
      fields.push(element("label", { class: "times" }, element("span", {}, name === "since" ? "since (included)" : `until (not included), ${zone}`), input));
    }
  }

  /** A time that nobody changed is sent as the address had it. */
  const timeOf = (name: string) => {
    const shown = times.get(name)!.value;
    const before = given.get(name) ?? "";
    return !shown ? "" : shown === shownMoment(before, zone) ? before : sentMoment(shown, zone);
  };

  function query(): string {
    const pairs: [string, string][] = [];
    const values = new FormData(made);
    for (const [name, value] of values) {
      if (typeof value !== "string" || !value) continue;
      if (times.has(name)) {
        if (!values.get("period")) pairs.push([name, timeOf(name)]);
        continue;
      }
      const many = table.parameters.find((one) => one.name === name)?.repeatable;
      for (const one of many ? value.split(",") : [value]) pairs.push([name, one.trim()]);
    }
    return new URLSearchParams(pairs).toString();
  }

  const made = element(
    "form",
    {
      class: "parameters",
      "aria-label": "Parameters of the table",
      submit: (event) => {
        event.preventDefault();
        show(query());
      },
    },
    ...fields,
    element("button", { type: "submit" }, "Show"),
  );
  const toggle = () => made.classList.toggle("period", Boolean(new FormData(made).get("period")));
  made.addEventListener("change", toggle);
  toggle();
  if (made.checkValidity()) queueMicrotask(() => show(query()));
  return made;
}

/** Return the address of the explorer with the query of a table, and its variables. */
export function explorerOf(table: Table, query: string): string {
  const given = new URLSearchParams(query);
  const variables: Record<string, unknown> = {};
  for (const { name, type } of table.parameters) {
    const values = given.getAll(name).map((one) => typed(one, type.replace(/^list of /, "")));
    if (values.length) variables[name] = type.startsWith("list of ") ? values : values[0];
  }
  const during = table.window && periodOf(given, table.timezone);
  if (during) variables.during = during;
  return at(`/?${new URLSearchParams({ saved: table.name, variables: JSON.stringify(variables) })}`);
}

const typed = (value: string, type: string) => (type === "bool" ? value === "true" : type === "int64" || type === "float64" ? Number(value) : value);

/** Return the window of an address as a Period of the graph. */
function periodOf(given: URLSearchParams, zone: string): Record<string, unknown> | null {
  const [period, since, until] = [given.get("period"), given.get("since"), given.get("until")];
  if (period) return { frame: period.toUpperCase() };
  if (!since) return null;
  if (DATE.test(since) && until && DATE.test(until)) {
    return { dates: { from: since, to: new Date(Date.parse(until) - 86_400_000).toISOString().slice(0, 10) } };
  }
  const exact = (text: string) => (OFFSET.test(text) ? text : withOffset(moment(text, zone), zone));
  const tomorrow = local(Date.now() + 86_400_000, zone).slice(0, 10);
  return { between: { from: exact(since), until: exact(until ?? tomorrow) } };
}
