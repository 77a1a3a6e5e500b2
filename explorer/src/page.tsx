/** The explorer page: GraphiQL over our graph, with everything it needs served from the page's own origin. */
import "graphiql/setup-workers/vite";
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "graphiql/graphiql.css";
import "../frame/fonts.css";
import "./page.css";

import { HISTORY_PLUGIN } from "@graphiql/plugin-history";
import { useMonaco } from "@graphiql/react";
import { GraphiQL } from "graphiql";
import { useEffect } from "react";
import { createRoot } from "react-dom/client";

import { send } from "./fetcher";
import { isFirstVisit, lastTab, memory } from "./memory";
import { Saved, SAVED_PLUGIN, type SavedQuery, fetchSaved, variablesText } from "./saved";

const WELCOME = "# Write a query. Ctrl-Space completes, Ctrl-Enter runs, and the book on the left explains every type.\n\n";
const PLUGINS = [SAVED_PLUGIN, HISTORY_PLUGIN];

function Logo() {
  return (
    <span className="logo">
      gamehub<em>-graph</em>
    </span>
  );
}

interface Opening {
  saved: SavedQuery[];
  tabs: { query: string; variables: string }[];
  front: { query: string | null; variables: string | null } | undefined;
  panel: string | undefined;
}

/** How this visit begins. Settled once, since GraphiQL takes a changed answer for a wish to change. */
function opening(saved: SavedQuery[]): Opening {
  const tabs = saved.map((one) => ({ query: one.query, variables: variablesText(one) }));
  return { saved, tabs, front: lastTab() ?? tabs[0], panel: isFirstVisit() ? SAVED_PLUGIN.title : undefined };
}

function Explorer({ saved, tabs, front, panel }: Opening) {
  const { monaco, actions } = useMonaco();
  useEffect(() => void actions.initialize(), [actions]);
  if (!monaco) {
    // GraphiQL would show its tabs before the editors are there, and lose track of which tab they show when one is clicked.
    return (
      <div className="graphiql-container loading" aria-busy="true">
        <Logo />
      </div>
    );
  }

  return (
    <Saved value={saved}>
      <GraphiQL
        fetcher={send}
        storage={memory}
        defaultQuery={WELCOME}
        {...(tabs.length ? { defaultTabs: tabs } : {})}
        // GraphiQL fills the variables editor from these alone, never from the tab in front; and they must be that tab's
        // own text, or it opens one tab more.
        {...(front ? { initialQuery: front.query ?? "", initialVariables: front.variables ?? "" } : {})}
        plugins={PLUGINS}
        {...(panel ? { visiblePlugin: panel } : {})}
        defaultEditorToolsVisibility="variables"
        isHeadersEditorEnabled
        showPersistHeadersSettings={false}
        inputValueDeprecation
        schemaDescription
      >
        <GraphiQL.Logo>
          <nav className="pages" aria-label="Pages">
            <a href="/tables">Tables</a>
            <a href="/sql">SQL</a>
          </nav>
          <Logo />
        </GraphiQL.Logo>
      </GraphiQL>
    </Saved>
  );
}

const place = document.getElementById("explorer");
if (place) {
  const saved = await fetchSaved().catch(() => []); // a page without them is better than none
  createRoot(place).render(<Explorer {...opening(saved)} />);
}
