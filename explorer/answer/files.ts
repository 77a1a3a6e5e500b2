/** Files of rows: CSV is written here, and the formats that need the server's writers there. */
import { send } from "../frame/requests";
import { type Cell, type Column, text } from "../rows/column";
import { type Reader, csvOf } from "../rows/grid";

export const FORMATS = ["csv", "xlsx", "parquet"] as const;
export type FileFormat = (typeof FORMATS)[number];

/** Return a file of the rows of a reader. */
export async function fileOf(reader: Reader, form: FileFormat, name: string): Promise<Blob> {
  return form === "csv" ? csvOf(reader) : written(reader, form, name);
}

async function written(reader: Reader, form: FileFormat, name: string): Promise<Blob> {
  const columns = reader.columns();
  const parts = [`${JSON.stringify({ name, columns: columns.map(({ name, kind }) => ({ name, kind })) })}\n`];
  for await (const rows of reader.pieces(Infinity)) parts.push(rows.map((row) => `${JSON.stringify(columns.map((column, place) => value(row[place] ?? null, column)))}\n`).join(""));
  const answer = await send(`/explorer/answer/${form}`, { method: "POST", body: new Blob(parts), headers: { "content-type": "application/x-ndjson" } });
  if (answer.ok) return answer.blob();
  const content = await answer.json().catch(() => ({}));
  throw new Error(content.errors?.[0]?.message ?? `The server answers ${answer.status}.`);
}

/** A value of a column that holds texts is a text, also if it was sent as a number. */
function value(cell: Cell, { kind }: Column): Cell {
  if (cell === null) return null;
  if (kind === "list") return Array.isArray(cell) ? cell.map((one) => (one === null ? null : text(one))) : [text(cell)];
  return kind === "string" && typeof cell !== "string" ? (Array.isArray(cell) ? JSON.stringify(cell) : text(cell)) : cell;
}
