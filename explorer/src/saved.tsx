/** The saved queries: read from the server, the first tabs of a first visit, and a panel that opens any of them again. */
import type { GraphiQLPlugin } from "@graphiql/react";
import { createContext, lazy } from "react";

import { BookmarkIcon } from "./shell/icons";

export interface SavedQuery {
  name: string;
  comment: string;
  query: string;
  variables: Record<string, unknown>;
}

export async function fetchSaved(): Promise<SavedQuery[]> {
  const response = await fetch("/explorer/queries.json", { headers: { accept: "application/json" } });
  return response.ok ? ((await response.json()) as SavedQuery[]) : [];
}

/** A query's example variables as the editor shows them. */
export function variablesText({ variables }: SavedQuery): string {
  return Object.keys(variables).length ? JSON.stringify(variables, null, 2) : "";
}

/** A panel gets no properties from GraphiQL, so the queries come to it by context. */
export const Saved = createContext<SavedQuery[]>([]);

export const SAVED_PLUGIN: GraphiQLPlugin = {
  title: "Saved queries",
  icon: BookmarkIcon,
  content: lazy(() => import("./saved_panel")),
};
