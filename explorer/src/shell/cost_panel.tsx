/** The panel of the calls and of the plan: whether it is open, what it shows, and the keys that open it. */
import { KeyCode, KeyMod, tryParseJSONC, useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { type ReactNode, lazy, useCallback, useEffect, useRef, useState } from "react";

import type { CostView } from "../cost/panel";
import { explain as ask } from "../fetcher";
import type { Part } from "./layout";
import { LoadedPart } from "./part";

const CostPanel = lazy(() => import("../cost/panel"));
const OPEN = "graphiql:calls";
const EXPLAIN_FIRST = "graphiql:explainFirst";

interface CostPanelState {
  panel: ReactNode;
  run: () => void;
  explain: () => void;
  toggle: () => void;
  open: () => void;
}

export function useCostPanel(reveal: (part: Part) => void): CostPanelState {
  const { run: runNow } = useGraphiQLActions();
  const { queryEditor, variableEditor, headerEditor, operationName } = useGraphiQL((state) => ({
    queryEditor: state.queryEditor,
    variableEditor: state.variableEditor,
    headerEditor: state.headerEditor,
    operationName: state.operationName,
  }));
  const [open, setOpen] = useState(() => localStorage.getItem(OPEN) === "true");
  const [view, setView] = useState<CostView>("Calls");
  const [explainFirst, setExplainFirst] = useState(() => localStorage.getItem(EXPLAIN_FIRST) === "true");
  useEffect(() => localStorage.setItem(OPEN, String(open)), [open]);
  useEffect(() => localStorage.setItem(EXPLAIN_FIRST, String(explainFirst)), [explainFirst]);

  /** Ask for the plan of the operation that the editors hold. The run reports text that is no JSON. */
  const plan = useCallback(async () => {
    try {
      const variables = tryParseJSONC(variableEditor?.getValue() ?? "");
      const headers = tryParseJSONC(headerEditor?.getValue() ?? "") as Record<string, string> | undefined;
      await ask({ query: queryEditor?.getValue() ?? "", variables, operationName: operationName ?? null }, headers);
      return true;
    } catch {
      return false;
    }
  }, [queryEditor, variableEditor, headerEditor, operationName]);

  const run = useCallback(async () => {
    if (explainFirst) {
      await plan();
    }
    await runNow();
  }, [explainFirst, plan, runNow]);

  const explain = useCallback(async () => {
    setOpen(true);
    setView("Plan");
    reveal("calls");
    if (!(await plan())) {
      await runNow();
    }
  }, [plan, runNow, reveal]);

  const toggle = useCallback(() => {
    setOpen(!open);
    setView("Calls");
    reveal(open ? "answer" : "calls");
  }, [open, reveal]);

  // The editors keep an action for good, so theirs look up what is to be done.
  const actions = useRef({ explain, toggle });
  useEffect(() => {
    actions.current = { explain, toggle };
  });
  useEffect(() => {
    const made = [queryEditor, variableEditor, headerEditor].flatMap((editor) => [
      editor?.addAction({
        id: "explain",
        label: "Explain Operation",
        contextMenuGroupId: "graphql",
        keybindings: [KeyMod.Shift | KeyMod.CtrlCmd | KeyCode.Enter],
        run: () => void actions.current.explain(),
      }),
      editor?.addAction({
        id: "calls",
        label: "Show or Hide Calls",
        contextMenuGroupId: "graphql",
        keybindings: [KeyMod.CtrlCmd | KeyCode.KeyJ],
        run: () => actions.current.toggle(),
      }),
    ]);
    return () => made.forEach((one) => one?.dispose());
  }, [queryEditor, variableEditor, headerEditor]);

  return {
    panel: open ? (
      <LoadedPart name="The calls">
        <CostPanel view={view} show={setView} close={toggle} explainFirst={explainFirst} setExplainFirst={setExplainFirst} />
      </LoadedPart>
    ) : undefined,
    run: () => void run(),
    explain: () => void explain(),
    toggle,
    open: () => setOpen(true),
  };
}
