/** The errors of the last run, in words. Each leads to its place in the query. */
import { useGraphiQL } from "@graphiql/react";

import { at } from "../../frame/address";
import { fieldOfPath } from "./fields";
import { type Problem, useCost } from "./run";

const SHOWN = 5;
const LOGIN = at(`/login?to=${encodeURIComponent("/explorer")}`);
const ADVICE: Record<string, string> = {
  QUERY_TOO_COMPLEX: "Ask for fewer fields, or in several operations.",
  TOO_MANY_REQUESTS: "Wait a little, then run it again.",
};

export function Problems({ reveal }: { reveal: () => void }) {
  const { tab, editor, documentAST, operationName } = useGraphiQL((state) => ({
    tab: state.tabs[state.activeTabIndex],
    editor: state.queryEditor,
    documentAST: state.documentAST,
    operationName: state.operationName,
  }));
  const { problems = [] } = useCost(tab?.id);
  if (!problems.length) {
    return null;
  }

  /** Return the place of an error in the query, as it is in the editor now. */
  function placeOf({ locations, path }: Problem) {
    const [first] = locations ?? [];
    if (first) {
      return { lineNumber: first.line, column: first.column };
    }
    const offset = path && documentAST ? fieldOfPath(documentAST, operationName, path) : undefined;
    return offset === undefined ? undefined : editor?.getModel()?.getPositionAt(offset);
  }

  function go(place: { lineNumber: number; column: number }) {
    reveal();
    editor?.setPosition(place);
    editor?.revealPositionInCenter(place);
    editor?.focus();
  }

  return (
    <div className="problems" role="alert">
      <ul>
      {problems.slice(0, SHOWN).map((problem, index) => {
        const place = placeOf(problem);
        const code = String(problem.extensions?.["code"] ?? "");
        return (
          <li key={index}>
            <span>{problem.message}</span>
            {ADVICE[code] && <span> {ADVICE[code]}</span>}
            {code === "UNAUTHENTICATED" && <a href={LOGIN}>Log in with a key</a>}
            {place && (
              <button type="button" onClick={() => go(place)}>
                Line {place.lineNumber}
                {problem.path && `: ${problem.path.join(".")}`}
              </button>
            )}
          </li>
        );
      })}
      {problems.length > SHOWN && <li>{problems.length - SHOWN} more are in the answer.</li>}
      </ul>
    </div>
  );
}
