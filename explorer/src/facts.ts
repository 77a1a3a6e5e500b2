/** What the server knows of each field: its reports, its price, and what its arguments name. Read when first needed. */
import { at } from "../frame/address";

export interface FieldFacts {
  /** The reports that have the field. */
  reports: string[];
  /** The report that the field reads for itself, if it is not in the row of its parent. */
  reads?: string;
  /** What the complexity of an operation counts for it: ten for a call of its own. */
  complexity: number;
  /** The price of the call that reads it, as the planner expects it now. */
  milliseconds: number | null;
  /** For a field that leads to another entity: which of its fields each report knows. */
  known?: Record<string, string[]>;
}

export type Kind = "Group" | "Room" | "User" | "Game";

export interface Facts {
  fields: Record<string, FieldFacts>;
  /** By field (`Query.group`) or input type (`GameWhere`): what each argument or condition names. */
  names: Record<string, Record<string, Kind>>;
  /** The queries that read the choices of a kind: all, or those with a text in their name; and one by its id. */
  choices: Partial<Record<Kind, { all: string; one: string | null; searches: boolean }>>;
  /** The titles of the reports. */
  reports: Record<string, string>;
}

export const NO_FACTS: Facts = { fields: {}, names: {}, choices: {}, reports: {} };
let reading: Promise<Facts> | undefined;

async function read(): Promise<Facts> {
  const response = await fetch(at("/explorer/fields.json"), { headers: { accept: "application/json" } });
  return response.ok ? ((await response.json()) as Facts) : NO_FACTS;
}

export function readFacts(): Promise<Facts> {
  reading ??= read().catch(() => {
    reading = undefined; // the next one tries again
    return NO_FACTS;
  });
  return reading;
}
