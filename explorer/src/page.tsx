/**
 * The explorer page: GraphiQL's editors and panels over our graph, in a layout of our own, with everything it needs
 * served from the page's own origin. The page is drawn with the query as plain text first. Its editor, which is large, is
 * loaded after that.
 */
import "../frame/header";
import "../frame/header.css";
import "./page.css";
import "./shell/shell.css";
import "./cost/cost.css";

import { Suspense, lazy, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

import { type OpenTabs, isFirstVisit, lastPanel, lastTabs } from "./memory";
import { opening, saved, shares } from "./opening";
import { SAVED_PLUGIN, Saved } from "./saved/plugin";
import type { SavedQuery } from "./saved/saved";
import { RunButton } from "./shell/button";
import { Layout, Plain } from "./shell/layout";
import { DOCS, DOCUMENTATION, PANELS, Rail } from "./shell/rail";
import { Tabs } from "./shell/tabs";

const WIDE = "(min-width: 900px)";

/** The panel that is open at first: what the address asks for, that of the last visit, or the saved queries. */
function firstPanel() {
  if (location.hash === DOCS) return DOCUMENTATION;
  const title = isFirstVisit() ? (matchMedia(WIDE).matches ? SAVED_PLUGIN.title : undefined) : lastPanel();
  return PANELS.find((panel) => panel.title === title) ?? null;
}

const Workspace = lazy(() => import("./shell/workspace"));

function Explorer() {
  const [open, setOpen] = useState<OpenTabs | undefined>(() => (shares() ? undefined : lastTabs()));
  const [panel, setPanel] = useState(firstPanel);
  const [queries, setQueries] = useState<SavedQuery[]>([]);
  const [drawn, setDrawn] = useState(false);
  const [ready, setReady] = useState(false);

  useEffect(() => {
    addEventListener("hashchange", () => {
      if (location.hash === DOCS) document.querySelector<HTMLElement>(`[aria-label="Show ${DOCUMENTATION.title}"]`)?.click();
    });
    void saved.then(setQueries);
    void opening().then(setOpen);
    // The first picture of the page does not wait for the editor.
    requestAnimationFrame(() => setTimeout(() => setDrawn(true)));
  }, []);

  return (
    <Saved value={queries}>
      {!ready && (
        <Layout
          busy
          rail={<Rail shown={panel} show={setPanel} />}
          panel={panel && <></>}
          tabs={
            <Tabs
              titles={open?.tabs ?? []}
              active={open?.activeTabIndex ?? 0}
              select={(activeTabIndex) => open && setOpen({ ...open, activeTabIndex })}
            />
          }
          toolbar={<RunButton disabled />}
          query={<Plain text={open?.tabs[open.activeTabIndex]?.query ?? ""} />}
        />
      )}
      {drawn && open && (
        <Suspense>
          <Workspace open={open} panel={panel} ready={() => setReady(true)} />
        </Suspense>
      )}
    </Saved>
  );
}

createRoot(document.getElementById("explorer")!).render(<Explorer />);
