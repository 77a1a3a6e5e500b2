/** The operation in front: its texts as the editors have them, and changes that the editors can undo. */
import { type MonacoEditor, useGraphiQL } from "@graphiql/react";
import { useCallback, useSyncExternalStore } from "react";

import { ask as send } from "../fetcher";
import type { Ask } from "../variables/choices";
import { objectOf } from "../variables/json";

/** The text of an editor, and a function that changes only what differs. */
function useText(editor: MonacoEditor | undefined): [string, (text: string) => void] {
  const subscribe = useCallback(
    (changed: () => void) => {
      const listening = editor?.onDidChangeModelContent(changed);
      return () => listening?.dispose();
    },
    [editor],
  );
  const text = useSyncExternalStore(subscribe, () => editor?.getValue() ?? "");
  const change = useCallback((next: string) => editor && replace(editor, next), [editor]);
  return [text, change];
}

/** Replace the part in which two texts differ, so that the cursor stays and the change can be undone. */
function replace(editor: MonacoEditor, next: string): void {
  const model = editor.getModel();
  const now = editor.getValue();
  if (!model || now === next) return;
  const most = Math.min(now.length, next.length);
  let start = 0;
  while (start < most && now[start] === next[start]) start++;
  let end = 0;
  while (end < most - start && now.at(-1 - end) === next.at(-1 - end)) end++;
  const from = model.getPositionAt(start);
  const to = model.getPositionAt(now.length - end);
  const range = { startLineNumber: from.lineNumber, startColumn: from.column, endLineNumber: to.lineNumber, endColumn: to.column };
  editor.pushUndoStop();
  editor.executeEdits("page", [{ range, text: next.slice(start, next.length - end) }]);
  editor.pushUndoStop();
}

export function useOperation() {
  const { queryEditor, variableEditor, headerEditor, schema, operationName } = useGraphiQL((state) => ({
    queryEditor: state.queryEditor,
    variableEditor: state.variableEditor,
    headerEditor: state.headerEditor,
    schema: state.schema,
    operationName: state.operationName,
  }));
  const [query, setQuery] = useText(queryEditor);
  const [variables, setVariables] = useText(variableEditor);
  const [headers] = useText(headerEditor);
  const ask: Ask = useCallback((text, values) => send(text, values, objectOf(headers) as Record<string, string>), [headers]);
  return { schema, query, operationName, variables, headers, setQuery, setVariables, ask };
}
