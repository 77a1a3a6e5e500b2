/**
 * The places of the page. They are the same before the editors are loaded, when the query is plain text, and after that.
 * On a narrow screen the query, the answer and the calls share one place, and a row of buttons switches between them.
 */
import { type ReactNode, useEffect, useRef } from "react";

import { Splitter } from "./splitter";
import { TAB_PANEL } from "./tabs";

export type Part = "query" | "answer" | "calls";

const PARTS: Record<Part, string> = { query: "Query", answer: "Answer", calls: "Calls" };

interface Properties {
  rail: ReactNode;
  panel?: ReactNode;
  tabs: ReactNode;
  toolbar?: ReactNode;
  query: ReactNode;
  request?: ReactNode;
  answer?: ReactNode;
  calls?: ReactNode;
  status?: ReactNode;
  /** The part that a narrow screen shows. */
  part?: Part;
  show?: (part: Part) => void;
  busy?: boolean;
}

export function Layout({ rail, panel, tabs, toolbar, query, request, answer, calls, status, part = "query", show, busy = false }: Properties) {
  return (
    <div className="explorer graphiql-container" data-part={part} aria-busy={busy}>
      <main>
        <h1 className="hidden-title">Explorer</h1>
        {rail}
        {panel && (
          <>
            <div className="panel">{panel}</div>
            <Splitter name="panel" label="Width of the panel" upright size={24} least={14} most={60} />
          </>
        )}
        <div className="operation">
          {tabs}
          <div className="toolbar" role="toolbar" aria-label="Editor Commands">
            {toolbar}
          </div>
          <div className="parts" role="group" aria-label="Part of the page">
            {(Object.keys(PARTS) as Part[]).map((name) => (
              <button key={name} type="button" aria-pressed={name === part} onClick={() => show?.(name)}>
                {PARTS[name]}
              </button>
            ))}
          </div>
          <div className="session" id={TAB_PANEL} role="tabpanel" aria-label="Operation">
            <div className="exchange">
              <div className="request">
                <section className="query" aria-label="Operation Editor">
                  {query}
                </section>
                <Splitter name="query" label="Height of the query" upright={false} size={70} />
                <div className="details">{request}</div>
              </div>
              <Splitter name="request" label="Width of the query" upright size={50} />
              <div className="answer">{answer}</div>
            </div>
            {calls && (
              <>
                <Splitter name="calls" label="Height of the calls" upright={false} size={38} behind />
                {calls}
              </>
            )}
          </div>
        </div>
      </main>
      <footer className="status">{status}</footer>
    </div>
  );
}

/** An operation as plain text, until its editor is there. */
export function Plain({ text }: { text: string }) {
  const place = useRef<HTMLPreElement>(null);
  useEffect(() => void place.current?.scrollTo(0, 0), [text]);
  return (
    <pre className="plain" ref={place} tabIndex={0}>
      {text}
    </pre>
  );
}
