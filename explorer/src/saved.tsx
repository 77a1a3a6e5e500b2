/** The saved queries: read from the server, the first tabs of a first visit, and a panel that opens any of them again. */
import { type GraphiQLPlugin, useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { createContext, useContext } from "react";

export interface SavedQuery {
  name: string;
  comment: string;
  query: string;
  variables: Record<string, unknown>;
}

export async function fetchSaved(): Promise<SavedQuery[]> {
  const response = await fetch("/explorer/queries.json", { headers: { accept: "application/json" } });
  return response.ok ? ((await response.json()) as SavedQuery[]) : [];
}

/** A query's example variables as the editor shows them. */
export function variablesText({ variables }: SavedQuery): string {
  return Object.keys(variables).length ? JSON.stringify(variables, null, 2) : "";
}

/** A panel gets no properties from GraphiQL, so the queries come to it by context. */
export const Saved = createContext<SavedQuery[]>([]);

function SavedQueries() {
  const saved = useContext(Saved);
  const { addTab } = useGraphiQLActions();
  const { queryEditor, variableEditor, headerEditor } = useGraphiQL((state) => ({
    queryEditor: state.queryEditor,
    variableEditor: state.variableEditor,
    headerEditor: state.headerEditor,
  }));

  function open(one: SavedQuery) {
    const headers = headerEditor?.getValue() ?? ""; // whoever typed a key in this tab wants it in the next
    addTab();
    queryEditor?.setValue(one.query);
    variableEditor?.setValue(variablesText(one));
    headerEditor?.setValue(headers);
    queryEditor?.setScrollTop(0);
  }

  return (
    <section aria-label="Saved queries" className="saved-queries">
      <div className="saved-queries-title">Saved queries</div>
      {saved.length ? (
        <ul>
          {saved.map((one) => (
            <li key={one.name}>
              <button type="button" onClick={() => open(one)} title={`Open ${one.name} in a new tab`}>
                <span className="saved-queries-name">{one.name}</span>
                <span className="saved-queries-comment">{one.comment}</span>
              </button>
            </li>
          ))}
        </ul>
      ) : (
        <p>The server has no saved queries.</p>
      )}
    </section>
  );
}

function BookmarkIcon() {
  return (
    <svg viewBox="0 0 14 14" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinejoin="round" aria-hidden="true">
      <path d="M3 1.5h8v11l-4-3-4 3z" />
    </svg>
  );
}

export const SAVED_PLUGIN: GraphiQLPlugin = { title: "Saved queries", icon: BookmarkIcon, content: SavedQueries };
