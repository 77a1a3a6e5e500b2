/**
 * The panel below the query and its answer: the calls of the last run, and the plan before a run. A call that is chosen
 * marks its fields in the query. The cursor in a field marks the calls of the field.
 */
import { Range, useGraphiQL } from "@graphiql/react";
import { useEffect, useMemo, useState } from "react";

import { ToolButton } from "../shell/button";
import { CloseIcon } from "../shell/icons";
import { KEYS } from "../shell/keys";
import { Views } from "../shell/views";
import { Calls } from "./calls";
import { Diagram } from "./diagram";
import { fieldPlaces, fieldsAround } from "./fields";
import { useCost } from "./run";

export type CostView = "Calls" | "Plan";

interface Properties {
  view: CostView;
  show: (view: CostView) => void;
  close: () => void;
  explainFirst: boolean;
  setExplainFirst: (wanted: boolean) => void;
}

const VIEWS = [
  { name: "Calls", keys: KEYS.calls },
  { name: "Plan", keys: KEYS.explain },
];

export default function CostPanel({ view, show, close, explainFirst, setExplainFirst }: Properties) {
  const tab = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.id);
  const cost = useCost(tab);
  const [chosen, choose] = useState<{ fields: string[] }>();
  const calls = view === "Calls" ? cost.run?.trace : cost.plan?.plan;
  const served = useMemo(() => new Set(calls?.flatMap((call) => call.fields)), [calls]);
  const atCursor = useFieldAtCursor(served);
  const inFocus = (fields: readonly string[]) => atCursor !== undefined && fields.includes(atCursor);
  useMarkedFields(chosen?.fields);
  useEffect(() => choose(undefined), [cost.run, cost.plan, tab]);

  return (
    <section className="calls" aria-label="Calls">
      <Views label="Cost of the operation" views={VIEWS} shown={view} show={(name) => show(name as CostView)} panel={() => "cost-view"}>
        <label className="explain-first">
          <input type="checkbox" checked={explainFirst} onChange={(event) => setExplainFirst(event.target.checked)} />
          Explain before each run
        </label>
        <ToolButton label="Close the panel" keys={KEYS.calls} onClick={close}>
          <CloseIcon />
        </ToolButton>
      </Views>
      <div id="cost-view" role="tabpanel" aria-label={view} className="cost-view" tabIndex={0}>
        {view === "Calls" ? <Calls {...{ cost, inFocus, chosen, choose }} /> : <Diagram {...{ cost, inFocus, chosen, choose }} />}
      </div>
    </section>
  );
}

/** Return the places of the fields of the query that is in the editor. */
function useFieldPlaces() {
  const { documentAST, schema } = useGraphiQL((state) => ({ documentAST: state.documentAST, schema: state.schema }));
  return useMemo(() => (documentAST && schema ? fieldPlaces(documentAST, schema) : []), [documentAST, schema]);
}

/** Mark fields in the query, and bring the first of them into view. */
function useMarkedFields(fields: readonly string[] | undefined): void {
  const editor = useGraphiQL((state) => state.queryEditor);
  const places = useFieldPlaces();
  useEffect(() => {
    const model = editor?.getModel();
    if (!editor || !model || !fields) {
      return;
    }
    const ranges = places
      .filter(({ names }) => names.some((name) => fields.includes(name)))
      .map(({ from, to }) => Range.fromPositions(model.getPositionAt(from), model.getPositionAt(to)));
    const marks = editor.createDecorationsCollection(ranges.map((range) => ({ range, options: { inlineClassName: "marked-field" } })));
    if (ranges[0]) {
      editor.revealRangeInCenterIfOutsideViewport(ranges[0]);
    }
    return () => marks.clear();
  }, [editor, fields, places]);
}

/** Return the field at the cursor that calls serve: the innermost one, for the inner ones come with its rows. */
function useFieldAtCursor(served: ReadonlySet<string>): string | undefined {
  const editor = useGraphiQL((state) => state.queryEditor);
  const places = useFieldPlaces();
  const [around, setAround] = useState<string[]>([]);
  useEffect(() => {
    const look = () => {
      const model = editor?.getModel();
      const position = editor?.getPosition();
      setAround(model && position ? fieldsAround(places, model.getOffsetAt(position)) : []);
    };
    look();
    const moved = editor?.onDidChangeCursorPosition(look);
    return () => moved?.dispose();
  }, [editor, places]);
  return around.find((name) => served.has(name));
}
