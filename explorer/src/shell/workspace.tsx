/** The page with its editors: GraphiQL's stores and editors in the places of our layout. */
import "@graphiql/react/style.css";

import { HistoryStore } from "@graphiql/plugin-history";
import { type GraphiQLPlugin, GraphiQLProvider, HeaderEditor, QueryEditor, ResponseEditor, VariableEditor, useGraphiQL, useGraphiQLActions, useMonaco } from "@graphiql/react";
import type { MonacoGraphQLAPI } from "monaco-graphql";
import { lazy, useContext, useEffect, useLayoutEffect, useState } from "react";

import { Problems } from "../cost/problems";
import { bringToFront } from "../cost/run";
import { Status } from "../cost/status";
import "../editor/workers";
import { sleep, useLanguages } from "../editor/language";
import { useLeavingKey } from "../editor/leave";
import { THEMES } from "../editor/themes";
import { send } from "../fetcher";
import { type OpenTabs, keepPanel, keepTabs, memory } from "../memory";
import { Saved } from "../saved/plugin";
import { draftOf } from "../saved/saved";
import { Answer } from "./answer";
import { useCostPanel } from "./cost_panel";
import { Layout, type Part } from "./layout";
import { LoadedPart } from "./part";
import { DOCS, DOCUMENTATION, PANELS, Rail } from "./rail";
import { Tabs } from "./tabs";
import { Toolbar } from "./toolbar";
import { Views } from "./views";

interface Properties {
  open: OpenTabs;
  panel: GraphiQLPlugin | null;
  ready: () => void;
}

export default function Workspace(properties: Properties) {
  const { monaco, monacoGraphQL, actions } = useMonaco();
  useEffect(() => void actions.initialize(), [actions]);
  // GraphiQL's tabs work once its editors are there. Until then the page shows the tabs itself.
  return monaco && monacoGraphQL ? <Stores {...properties} mode={monacoGraphQL} /> : null;
}

function Stores({ open, panel, ready, mode }: Properties & { mode: MonacoGraphQLAPI }) {
  // GraphiQL takes a changed property for a wish to change, so these stay as they were at first.
  const [{ query, variables }] = useState(() => {
    sleep(mode);
    keepTabs(open);
    keepPanel(panel?.title);
    return open.tabs[open.activeTabIndex]!;
  });
  return (
    <GraphiQLProvider
      fetcher={send}
      storage={memory}
      // GraphiQL finds the tab in front by its text.
      initialQuery={query ?? ""}
      initialVariables={variables ?? ""}
      plugins={PANELS}
      referencePlugin={DOCUMENTATION}
      editorTheme={THEMES}
      inputValueDeprecation
      schemaDescription
    >
      <HistoryStore>
        <Page ready={ready} />
      </HistoryStore>
    </GraphiQLProvider>
  );
}

const VariablesPanel = lazy(() => import("../variables/panel"));
const DETAILS = [{ name: "Variables" }, { name: "Headers" }];

function Page({ ready }: { ready: () => void }) {
  const { tabs, activeTabIndex, visiblePlugin, isFetching } = useGraphiQL((state) => ({
    tabs: state.tabs,
    activeTabIndex: state.activeTabIndex,
    visiblePlugin: state.visiblePlugin,
    isFetching: state.isFetching,
  }));
  const { addTab, changeTab, closeTab, moveTab, setVisiblePlugin } = useGraphiQLActions();
  const saved = useContext(Saved);
  const [part, show] = useState<Part>("query");
  const [detail, setDetail] = useState("Variables");
  useLanguages();
  useLeavingKey();
  useLayoutEffect(ready, []); // the same picture has no time in which it shows both layouts
  const cost = useCostPanel(show);
  const front = tabs[activeTabIndex]?.id ?? "";
  useLayoutEffect(() => bringToFront(front), [front]);
  useEffect(() => {
    if (isFetching) {
      show("answer");
    }
  }, [isFetching]);

  useEffect(() => {
    const look = () => location.hash === DOCS && setVisiblePlugin(DOCUMENTATION);
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, [setVisiblePlugin]);

  function move(from: number, to: number) {
    const order = tabs.filter((_, index) => index !== from);
    order.splice(to, 0, tabs[from]!);
    moveTab(order);
  }

  const changed = tabs.map((_, index) => saved.some((one) => draftOf(one, tabs) === index));
  const Content = visiblePlugin?.content;
  return (
    <Layout
      part={part}
      show={(wanted) => {
        show(wanted);
        if (wanted === "calls") {
          cost.open();
        }
      }}
      rail={<Rail shown={visiblePlugin} show={setVisiblePlugin} />}
      panel={
        Content && (
          <LoadedPart key={visiblePlugin.title} name={visiblePlugin.title}>
            <Content />
          </LoadedPart>
        )
      }
      tabs={<Tabs titles={tabs} changed={changed} active={activeTabIndex} select={changeTab} close={closeTab} move={move} add={addTab} />}
      toolbar={<Toolbar run={cost.run} explain={cost.explain} toggleCalls={cost.toggle} />}
      query={<QueryEditor />}
      request={
        <>
          <Views label="Request" views={DETAILS} shown={detail} show={setDetail} panel={(name) => `request-${name}`} />
          {/* Both editors stay, because GraphiQL reads them when an operation runs. */}
          <section id="request-Variables" role="tabpanel" aria-label="Variables" hidden={detail !== "Variables"}>
            <LoadedPart name="Form">
              <VariablesPanel />
            </LoadedPart>
            <VariableEditor />
          </section>
          <section id="request-Headers" role="tabpanel" aria-label="Headers" hidden={detail !== "Headers"}>
            <HeaderEditor />
          </section>
        </>
      }
      answer={
        <Answer problems={<Problems reveal={() => show("query")} />}>
          <ResponseEditor />
        </Answer>
      }
      calls={cost.panel}
      status={<Status open={cost.panel !== undefined} toggle={cost.toggle} />}
    />
  );
}
