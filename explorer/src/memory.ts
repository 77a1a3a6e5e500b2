/** What the browser remembers between visits: GraphiQL's own storage, except that no request header is ever written. */
import type { Storage as Memory } from "@graphiql/toolkit";

const PREFIX = "graphiql:";

interface Tab {
  query: string | null;
  variables: string | null;
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

/** The tab that was in front when the page was left, if there was one. */
export function lastTab(): Tab | undefined {
  try {
    const { tabs, activeTabIndex } = JSON.parse(localStorage.getItem(`${PREFIX}tabState`) ?? "") as {
      tabs: Tab[];
      activeTabIndex: number;
    };
    return tabs[activeTabIndex];
  } catch {
    return undefined; // a first visit, or a state that GraphiQL will discard as well
  }
}

export function isFirstVisit(): boolean {
  return keys().length === 0;
}
