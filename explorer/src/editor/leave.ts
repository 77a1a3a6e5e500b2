/** The key that leaves an editor, in which the tab key writes a tab. The tab key goes on from there. */
import { KeyCode, useGraphiQL } from "@graphiql/react";
import { useEffect } from "react";

/** What the key closes first. */
const NOTHING_OPEN = ["suggestWidgetVisible", "findWidgetVisible", "inSnippetMode", "editorHasMultipleSelections", "markersNavigationVisible"]
  .map((one) => `!${one}`)
  .join(" && ");

export function useLeavingKey(): void {
  const editors = useGraphiQL(({ queryEditor, variableEditor, headerEditor, responseEditor }) => ({ queryEditor, variableEditor, headerEditor, responseEditor }));
  useEffect(() => {
    const made = Object.values(editors).map((editor) =>
      editor?.addAction({
        id: "leave",
        label: "Leave the Editor",
        keybindings: [KeyCode.Escape],
        precondition: NOTHING_OPEN,
        run: () => editor.getContainerDomNode().focus(),
      }),
    );
    return () => made.forEach((one) => one?.dispose());
  }, [editors.queryEditor, editors.variableEditor, editors.headerEditor, editors.responseEditor]);
}
