/** How a visit begins: with the tabs of the last visit, else with the saved queries. */
import { type OpenTabs, lastTabs, newTab } from "./memory";
import { type SavedQuery, fetchSaved, variablesText } from "./saved";

const WELCOME = "# Write a query. Ctrl-Space completes, Ctrl-Enter runs, and the book on the left explains every type.\n\n";

/** The saved queries. A page without them is better than none. */
export const saved: Promise<SavedQuery[]> = fetchSaved().catch(() => []);

/** Return the tabs with which the page begins. */
export async function opening(): Promise<OpenTabs> {
  return lastTabs() ?? { tabs: first(await saved), activeTabIndex: 0 };
}

function first(queries: readonly SavedQuery[]) {
  return queries.length ? queries.map((one) => newTab(one.query, variablesText(one))) : [newTab(WELCOME, "")];
}
