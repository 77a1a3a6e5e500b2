/** The panel of the saved queries. */
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useContext } from "react";

import { Saved, type SavedQuery, variablesText } from "./saved";

export default function SavedQueries() {
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
      <h2>Saved queries</h2>
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
