/** How a visit begins: with the tabs of the last visit, else with the first saved queries, and with what a link shares. */
import { at } from "../frame/address";
import { type OpenTabs, lastTabs, newTab } from "./memory";
import { fetchSaved, firstTabs, type SavedQuery, variablesText } from "./saved/saved";
import { sharedIn, unknownSaved } from "./share/link";

const WELCOME = "# Write a query. Ctrl-Space completes, Ctrl-Enter runs, and the book on the left explains every type.\n\n";

/** The saved queries. A page without them is better than none. */
export const saved: Promise<SavedQuery[]> = fetchSaved().catch(() => []);

/** What the address of the page shares; the address itself forgets it once it is open. */
const search = location.search;

/** Return whether the address shares a query, so that its tab has to come to the front. */
export function shares(): boolean {
  const given = new URLSearchParams(search);
  return given.has("query") || given.has("saved");
}

/** Return the tabs with which the page begins. */
export async function opening(): Promise<OpenTabs> {
  const open = lastTabs() ?? { tabs: first(await saved), activeTabIndex: 0 };
  // A link with a text needs no saved query.
  return shares() ? withShared(open, new URLSearchParams(search).has("saved") ? await saved : []) : open;
}

function first(queries: readonly SavedQuery[]) {
  return queries.length ? firstTabs(queries).map((one) => newTab(one.query, variablesText(one))) : [newTab(WELCOME, "")];
}

/** Add the tab of what the address shares, or bring the tab to the front that has it already. It is not run. */
function withShared({ tabs, activeTabIndex }: OpenTabs, queries: readonly SavedQuery[]): OpenTabs {
  const unknown = unknownSaved(search, queries);
  const shared = unknown === undefined ? sharedIn(search, queries) : { query: `# There is no saved query called ${unknown} here.\n`, variables: "" };
  history.replaceState(null, "", at("/explorer")); // another load of the page does not open it again
  if (!shared) return { tabs, activeTabIndex };
  const place = tabs.findIndex(({ query, variables }) => query === shared.query && (variables ?? "") === shared.variables);
  if (place >= 0) return { tabs, activeTabIndex: place };
  return { tabs: [...tabs, newTab(shared.query, shared.variables)], activeTabIndex: tabs.length };
}
