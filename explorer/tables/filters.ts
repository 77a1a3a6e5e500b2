/** Filters of rows, which the server applies to the whole window, and the form for them. */
import { element } from "../frame/element";
import { local, moment, withOffset } from "../rows/calendar";
import { type Column, isNumber, isTime } from "../rows/column";

export interface Filter {
  column: string;
  operator: Operator;
  value: string;
}

const OPERATORS = {
  eq: "is",
  ne: "is not",
  contains: "contains",
  startswith: "begins with",
  gt: "greater than",
  ge: "at least",
  lt: "less than",
  le: "at most",
  null: "is null",
  notnull: "is not null",
} as const;
type Operator = keyof typeof OPERATORS;

const COMPARED: Operator[] = ["eq", "ne", "gt", "ge", "lt", "le"];
const UNARY: Operator[] = ["null", "notnull"];

function operatorsOf(column: Column): Operator[] {
  const fitting: Operator[] = isNumber(column) || isTime(column) ? COMPARED : column.kind === "bool" ? ["eq"] : ["eq", "ne", "contains", "startswith"];
  return [...fitting, ...UNARY];
}

export function readFilter(text: string): Filter | undefined {
  const [column, operator, ...value] = text.split(" ");
  return column && operator && operator in OPERATORS ? { column, operator: operator as Operator, value: value.join(" ") } : undefined;
}

export const writtenFilter = ({ column, operator, value }: Filter) => [column, operator, ...(UNARY.includes(operator) ? [] : [value])].join(" ");

/** Return the filters as OData's `$filter`; an empty text if there are none. */
export function condition(filters: Filter[], columns: Column[]): string {
  return filters
    .flatMap(({ column: name, operator, value }) => {
      const column = columns.find((one) => one.name === name);
      if (!column) return [];
      if (UNARY.includes(operator)) return [`${name} ${operator === "null" ? "eq" : "ne"} null`];
      const literal = column.kind === "string" ? `'${value.replaceAll("'", "''")}'` : value;
      return [COMPARED.includes(operator) ? `${name} ${operator} ${literal}` : `${operator}(${name},${literal})`];
    })
    .join(" and ");
}

export interface FilterForm {
  columns: Column[];
  /** The values of a column, if they are known. */
  values: (column: Column) => string[] | undefined;
  zone: string;
  filters: Filter[];
  changed: (filters: Filter[]) => void;
}

/** Return the filters with a button to remove each, and a form to add one. */
export function filterForm({ columns, values, zone, filters, changed }: FilterForm): HTMLElement {
  const offered = columns.filter(({ kind }) => kind !== "list");
  const known = (name: string) => columns.find((one) => one.name === name);
  const column = element("select", { "aria-label": "Column of the filter", change: () => fit() }, ...offered.map(({ name }) => element("option", { value: name }, name)));
  const operator = element("select", { "aria-label": "Comparison", change: () => fit(true) });
  const field = element("span", {});
  const said = (value: string, one: Column | undefined) => (one?.kind === "timestamp" ? local(Date.parse(value), zone).replace("T", " ") : value);
  const remove = (one: Filter) =>
    element(
      "button",
      { type: "button", class: "chip", title: "Remove this filter", click: () => changed(filters.filter((other) => other !== one)) },
      element("code", {}, one.column),
      ` ${OPERATORS[one.operator]} ${UNARY.includes(one.operator) ? "" : said(one.value, known(one.column))} `,
      element("span", { "aria-hidden": "true" }, "✕"),
    );

  function fit(same = false) {
    const chosen = known(column.value);
    if (!chosen) return;
    if (!same) operator.replaceChildren(...operatorsOf(chosen).map((one) => element("option", { value: one }, OPERATORS[one])));
    const there = operator.value.startsWith("e") || operator.value === "ne" ? values(chosen) ?? (chosen.kind === "bool" ? ["true", "false"] : undefined) : undefined;
    const label = { "aria-label": "Value", required: true };
    const input = there
      ? element("select", label, ...there.map((one) => element("option", { value: one }, one)))
      : chosen.kind === "timestamp"
        ? element("input", { ...label, type: "datetime-local", step: "1" })
        : chosen.kind === "date"
          ? element("input", { ...label, type: "date" })
          : isNumber(chosen)
            ? element("input", { ...label, inputmode: "decimal", pattern: "-?\\d+(\\.\\d+)?", title: "A number, such as 12.50" })
            : element("input", label);
    field.replaceChildren(...(UNARY.includes(operator.value as Operator) ? [] : [input]));
  }

  fit();
  return element(
    "form",
    {
      class: "filters",
      "aria-label": "Filters",
      submit: (event) => {
        event.preventDefault();
        const input = field.querySelector<HTMLInputElement | HTMLSelectElement>("input, select");
        const given = input?.value ?? "";
        const value = input instanceof HTMLInputElement && input.type === "datetime-local" ? withOffset(moment(given, zone), zone) : given;
        changed([...filters, { column: column.value, operator: operator.value as Operator, value }]);
      },
    },
    ...filters.map(remove),
    column,
    operator,
    field,
    element("button", { type: "submit" }, "Filter"),
  );
}
