/** The tables and columns that the caller may read, as the server describes them. */
import { at } from "../frame/address";
import { Refusal, run } from "./requests";

export interface CatalogColumn {
  name: string;
  type: string;
  comment: string;
}

export interface CatalogTable {
  schema: string;
  name: string;
  comment: string;
  columns: CatalogColumn[];
}

/** The tables, and why they are not described if they are not. */
export interface Catalog {
  tables: CatalogTable[];
  reason: Refusal | null;
}

const STATEMENT = `SELECT c.table_schema, c.table_name, t."TABLE_COMMENT", c.column_name, c.data_type, c."COLUMN_COMMENT"
FROM information_schema.columns AS c
JOIN information_schema.tables AS t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema IN ('main', 'saved')
ORDER BY c.table_schema, c.table_name, c.ordinal_position`;

export async function catalog(): Promise<Catalog> {
  try {
    const tables = new Map<string, CatalogTable>();
    for (const row of (await run(STATEMENT)).rows) {
      const [schema, name, about, column, type, comment] = row.map((cell) => String(cell ?? "")) as [string, string, string, string, string, string];
      const table = tables.get(`${schema}.${name}`) ?? { schema, name, comment: about, columns: [] };
      table.columns.push({ name: column, type, comment });
      tables.set(`${schema}.${name}`, table);
    }
    return { tables: [...tables.values()], reason: null };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { tables: error.code === "FORBIDDEN" ? await named() : [], reason: error };
  }
}

/** The names of the saved queries, where a server describes no more. */
async function named(): Promise<CatalogTable[]> {
  const answer = await fetch(at("/tables"), { headers: { accept: "application/json" } });
  if (!answer.ok) return [];
  const { tables } = (await answer.json()) as { tables: { name: string; description: string }[] };
  return tables.map(({ name, description }) => ({ schema: "saved", name, comment: description, columns: [] }));
}

/** The name of a table as a statement writes it. */
export const tableName = ({ schema, name }: CatalogTable) => (schema === "main" ? name : `${schema}.${name}`);

/** A name as a statement writes it: in quotes if it is not in small letters. */
export const quoted = (name: string) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);
