/**
 * Rows as texts for spreadsheets: CSV as the server writes it (`server/tables/writers/text.py`), and what a clipboard
 * carries. A text that a spreadsheet would run as a formula has an apostrophe before it.
 */
import { type Cell, type Column, isNumber, text } from "./column";

const RISKY = /^[=+\-@\t\r\n＝＋－＠]/;
const SPECIAL = /^$|[",\r\n]/;

/** A cell, harmless. Numbers, times and truths are never formulas. */
function harmless(cell: Cell, { kind }: Column): string {
  const shown = Array.isArray(cell) ? JSON.stringify(cell) : text(cell);
  return (kind === "string" || kind === "list") && RISKY.test(shown) ? `'${shown}` : shown;
}

const quoted = (shown: string) => (SPECIAL.test(shown) ? `"${shown.replaceAll('"', '""')}"` : shown);

/** Return lines of CSV by RFC 4180. An empty text has quotes, and null has nothing. */
export const csv = (rows: Cell[][], columns: Column[]): string =>
  rows.map((row) => `${columns.map((column, place) => (row[place] == null ? "" : quoted(harmless(row[place], column)))).join(",")}\r\n`).join("");

export const csvHead = (columns: Column[]): string => `${columns.map(({ name }) => quoted(name)).join(",")}\r\n`;

/** Return rows with tabs between their cells, for the clipboard. */
export function tabbed(rows: Cell[][], columns: Column[]): string {
  const cell = (shown: string) => (/["\t\r\n]/.test(shown) ? `"${shown.replaceAll('"', '""')}"` : shown);
  const lines = [columns.map(({ name }) => cell(name)), ...rows.map((row) => columns.map((column, place) => cell(harmless(row[place] ?? null, column))))];
  return lines.map((line) => line.join("\t")).join("\r\n");
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (shown: string) => shown.replace(/[&<>"]/g, (sign) => ENTITIES[sign]!);

/** Return rows as a table in HTML, for the clipboard. A spreadsheet keeps ids and long numbers as texts. */
export function markup(rows: Cell[][], columns: Column[]): string {
  const cell = (value: Cell, column: Column) => {
    const shown = harmless(value, column);
    const number = isNumber(column) && shown.replace(/\D/g, "").length <= 15;
    return `<td${number ? "" : ` style="mso-number-format:'\\@'"`}>${escaped(shown)}</td>`;
  };
  const head = `<tr>${columns.map(({ name }) => `<th>${escaped(name)}</th>`).join("")}</tr>`;
  const body = rows.map((row) => `<tr>${columns.map((column, place) => cell(row[place] ?? null, column)).join("")}</tr>`);
  return `<table>${head}${body.join("")}</table>`;
}
