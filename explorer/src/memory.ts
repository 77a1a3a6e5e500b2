/** What the browser remembers between visits: GraphiQL's own storage, except that no request header is ever written. */
import type { Storage as Memory } from "@graphiql/toolkit";

const PREFIX = "graphiql:";
const TABS = `${PREFIX}tabState`;
const PANEL = `${PREFIX}visiblePlugin`;

/** A tab as GraphiQL stores it. */
export interface Tab {
  id: string;
  title: string;
  query: string | null;
  variables: string | null;
  headers: string | null;
  operationName: string | null;
  response: string | null;
}

/** The open tabs, and which of them is in front. */
export interface OpenTabs {
  tabs: Tab[];
  activeTabIndex: number;
}

function keys(): string[] {
  return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
}

/**
 * The history plugin keeps the headers of every request it saw, whatever the setting for headers says, and headers
 * carry keys and tokens. `JSON.parse` cannot fail here: GraphiQL writes what it has just serialised.
 */
function withoutHeaders(text: string): string {
  return JSON.stringify(JSON.parse(text), (name, value: unknown) => (name === "headers" ? undefined : value));
}

export const memory: Memory = {
  getItem: (key) => localStorage.getItem(key),
  setItem: (key, value) =>
    localStorage.setItem(key, [`${PREFIX}queries`, `${PREFIX}favorites`].includes(key) ? withoutHeaders(value) : value),
  removeItem: (key) => localStorage.removeItem(key),
  get length() {
    return keys().length;
  },
  clear: () => keys().forEach((key) => localStorage.removeItem(key)),
};

/** Return the tabs as the page was left; undefined on a first visit. */
export function lastTabs(): OpenTabs | undefined {
  try {
    const found = JSON.parse(localStorage.getItem(TABS) ?? "") as OpenTabs;
    return found.tabs[found.activeTabIndex] ? found : undefined;
  } catch {
    return undefined; // a first visit, or a state that GraphiQL will discard as well
  }
}

/** Store the tabs with which GraphiQL begins. */
export function keepTabs(open: OpenTabs): void {
  localStorage.setItem(TABS, JSON.stringify(open));
}

/** Return a new tab with a query. */
export function newTab(query: string, variables: string): Tab {
  const title = /^(?!#).*(?:query|subscription|mutation)\s+(\w+)/m.exec(query)?.[1] ?? "<untitled>";
  const id = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
  const operationName = title === "<untitled>" ? null : title;
  return { id, title, query, variables, headers: null, operationName, response: null };
}

/** Return whether this browser shows the page for the first time. */
export function isFirstVisit(): boolean {
  return localStorage.getItem(TABS) === null;
}

/** Return the title of the panel that was open when the page was left, if one was. */
export function lastPanel(): string | undefined {
  return localStorage.getItem(PANEL) || undefined;
}

/** Store the panel with which GraphiQL begins. */
export function keepPanel(title = ""): void {
  localStorage.setItem(PANEL, title);
}
