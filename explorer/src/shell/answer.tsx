/** The answer of the last run: as JSON, and in the other views that an answer has. */
import { useGraphiQL } from "@graphiql/react";
import { type ComponentType, type ReactNode, lazy, useMemo, useState } from "react";

import type { AnswerProps } from "../../answer/view";
import { LoadedPart } from "./part";
import { Views } from "./views";

const views = () => import("../../answer/view");

/** The views beside JSON, by their name. A view is loaded when it is shown first. */
const VIEWS: Record<string, ComponentType<AnswerProps>> = {
  Table: lazy(() => views().then(({ AnswerTable }) => ({ default: AnswerTable }))),
  Chart: lazy(() => views().then(({ AnswerChart }) => ({ default: AnswerChart }))),
};

const JSON_VIEW = "JSON";
const panel = (name: string) => (name === JSON_VIEW ? "answer-json" : "answer-view");

export function Answer({ problems, children }: { problems: ReactNode; children: ReactNode }) {
  const [shown, show] = useState(JSON_VIEW);
  const { tab, isFetching } = useGraphiQL((state) => ({ tab: state.tabs[state.activeTabIndex], isFetching: state.isFetching }));
  const response = shown === JSON_VIEW ? null : tab?.response;
  const answer = useMemo(() => parsed(response), [response]);
  const View = VIEWS[shown];
  return (
    <>
      <Views label="Answer as" views={[JSON_VIEW, ...Object.keys(VIEWS)].map((name) => ({ name }))} shown={shown} show={show} panel={panel}>
        <span className="running" role="status">
          {isFetching ? "Running…" : ""}
        </span>
      </Views>
      {problems}
      <div id="answer-json" role="tabpanel" aria-label="Answer as JSON" hidden={shown !== JSON_VIEW}>
        {children}
      </div>
      {View && (
        <div id="answer-view" role="tabpanel" aria-label={`Answer as ${shown}`}>
          <LoadedPart key={shown} name={shown}>
            <View answer={answer} operationName={tab?.operationName ?? undefined} query={tab?.query ?? undefined} />
          </LoadedPart>
        </div>
      )}
    </>
  );
}

/** Return the answer of a response. The store of GraphiQL has it as text, whole when all of its parts are there. */
function parsed(response: string | null | undefined): unknown {
  try {
    return response ? JSON.parse(response) : undefined;
  } catch {
    return undefined; // a sentence of GraphiQL instead of an answer
  }
}
