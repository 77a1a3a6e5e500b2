/** Completion: tables, the columns of the tables that the statement mentions, keywords and functions. */
import { type Completion, type CompletionContext, type CompletionResult, snippetCompletion } from "@codemirror/autocomplete";

import { type CatalogTable, quoted, tableName } from "./catalog";

const KEYWORDS =
  "SELECT FROM WHERE GROUP ORDER BY HAVING LIMIT OFFSET JOIN LEFT RIGHT FULL INNER CROSS ON USING AS AND OR NOT IN BETWEEN LIKE ILIKE IS NULL TRUE FALSE CASE WHEN THEN ELSE END DISTINCT UNION ALL EXCEPT INTERSECT WITH RECURSIVE ASC DESC NULLS FIRST LAST OVER PARTITION QUALIFY FILTER INTERVAL DATE TIMESTAMP CAST EXISTS VALUES current_date current_timestamp";
const FUNCTIONS =
  "sum count avg min max median quantile_cont stddev count_if arg_max arg_min string_agg list date_trunc date_part date_diff dayname monthname strftime today now coalesce nullif round abs ceil floor greatest least if lower upper trim length substring replace concat split_part regexp_matches starts_with contains row_number rank dense_rank lag lead first_value last_value ntile cast try_cast epoch make_date";

const words: Completion[] = [
  ...KEYWORDS.split(" ").map((label): Completion => ({ label, type: "keyword", boost: -10 })),
  ...FUNCTIONS.split(" ").map((label) => snippetCompletion(`${label}(\${})`, { label, type: "function", boost: -5 })),
];

const column = ({ name, type, comment }: CatalogTable["columns"][number]): Completion => ({
  label: name,
  apply: quoted(name),
  detail: type,
  type: "property",
  info: comment,
  boost: 10,
});

const table = (one: CatalogTable): Completion => ({
  label: tableName(one),
  detail: one.schema === "main" ? "table" : "saved query",
  type: "class",
  info: one.comment,
});

/** The source of completions over the tables of the catalogue, which may arrive later. */
export function completions(tables: () => CatalogTable[]) {
  return (context: CompletionContext): CompletionResult | null => {
    const text = context.state.doc.toString();
    const before = context.matchBefore(/(?:(?:"[^"]*"|\w+)\.)?"?\w*/);
    if (!before || (before.from === before.to && !context.explicit)) return null;
    if (quotes(text.slice(0, before.from))) return null;
    const [, of] = /^(.*)\./s.exec(before.text) ?? [];
    if (of !== undefined) {
      const options = [
        ...(named(text, of, tables()) ?? []).flatMap((one) => one.columns.map(column)),
        ...tables().filter(({ schema }) => schema === of.toLowerCase()).map((one) => ({ ...table(one), label: one.name })),
      ];
      return options.length ? { from: before.from + of.length + 1, options, validFor: /^"?\w*$/ } : null;
    }
    const mentioned = tables().filter((one) => mentions(text, one));
    const seen = new Set<string>();
    const columns = (mentioned.length ? mentioned : tables())
      .flatMap((one) => one.columns.map(column))
      .filter(({ label }) => !seen.has(label) && seen.add(label));
    return { from: before.from, options: [...columns, ...tables().map(table), ...words], validFor: /^\w*$/ };
  };
}

/** Whether a text ends inside a string or a comment. */
const quotes = (text: string) => (text.replace(/--.*\n/g, "").match(/'/g)?.length ?? 0) % 2 === 1 || /--.*$/.test(text);

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

const mentions = (text: string, { name }: CatalogTable) => new RegExp(`\\b(?:from|join|,)\\s+(?:main\\.|saved\\.)?"?${escaped(name)}\\b`, "i").test(text);

/** The tables that a name in front of a dot means: a table itself, or an alias of one. */
function named(text: string, name: string, tables: CatalogTable[]): CatalogTable[] {
  const plain = name.replaceAll('"', "").toLowerCase();
  const same = tables.filter((one) => [one.name, tableName(one)].some((known) => known.toLowerCase() === plain));
  if (same.length) return same.slice(0, 1);
  return tables.filter((one) => new RegExp(`\\b${escaped(one.name)}"?\\s+(?:as\\s+)?"?${escaped(plain)}\\b`, "i").test(text)).slice(0, 1);
}
