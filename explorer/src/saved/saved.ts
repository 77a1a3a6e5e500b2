/** The saved queries as the server has them for this caller, and the tabs that hold them. */
import { at } from "../../frame/address";
import { textOf } from "../variables/json";

export interface SavedQuery {
  name: string;
  comment: string;
  query: string;
  /** Examples that this caller sees. */
  variables: Record<string, unknown>;
  /** Its place among the first tabs. */
  start?: number;
  /** The table of its rows, if this caller may read tables. */
  table?: string;
}

interface Tab {
  query: string | null;
  title?: string;
}

export async function fetchSaved(): Promise<SavedQuery[]> {
  const response = await fetch(at("/explorer/queries.json"), { headers: { accept: "application/json" } });
  return response.ok ? ((await response.json()) as SavedQuery[]) : [];
}

/** A query's example variables as the editor shows them. */
export function variablesText({ variables }: SavedQuery): string {
  return textOf(variables);
}

/** The queries of the first tabs; the first three where none is marked. */
export function firstTabs(saved: readonly SavedQuery[]): SavedQuery[] {
  const marked = saved.filter((one) => one.start !== undefined).sort((one, other) => (one.start ?? 0) - (other.start ?? 0));
  return marked.length ? marked : saved.slice(0, 3);
}

/** The queries whose name, comment or fields have all words. */
export function search(saved: readonly SavedQuery[], text: string): SavedQuery[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return saved.filter((one) => {
    const all = `${one.name} ${one.comment} ${one.query}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
}

const isNamed = (name: string, { query }: Tab) => new RegExp(`\\b(query|subscription)\\s+${name}\\b`).test(query ?? "");

/** The place of the tab that has a query: unchanged or under its name. */
export function tabOf(one: SavedQuery, tabs: readonly Tab[]): number {
  const same = tabs.findIndex((tab) => tab.query?.trim() === one.query.trim());
  return same >= 0 ? same : tabs.findIndex((tab) => isNamed(one.name, tab));
}

/** The place of a tab with a changed text of the query, which is kept until it is restored or closed. */
export function draftOf(one: SavedQuery, tabs: readonly Tab[]): number {
  return tabs.findIndex((tab) => isNamed(one.name, tab) && tab.query?.trim() !== one.query.trim());
}
