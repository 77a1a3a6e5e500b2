/**
 * The languages of the editors: completion, errors and explanations come from workers, which are large. They begin when
 * somebody goes into an editor, that of GraphQL also when the first answer is there. Until then the editors only colour their text.
 */
import { useGraphiQL, useMonaco } from "@graphiql/react";
import type { MonacoGraphQLAPI } from "monaco-graphql";
import { useEffect, useState } from "react";

/** Let the editor of queries begin without its worker. */
export function sleep(mode: MonacoGraphQLAPI): void {
  mode.setModeConfiguration({ documentFormattingEdits: false, completionItems: false, hovers: false, diagnostics: false, documentSymbols: false });
}

/** Begin the languages in time: JSON for the editors of variables and headers, GraphQL for the editor of queries. */
export function useLanguages(): void {
  const { monaco, monacoGraphQL } = useMonaco();
  const { queryEditor, variableEditor, headerEditor, answered } = useGraphiQL((state) => ({
    queryEditor: state.queryEditor,
    variableEditor: state.variableEditor,
    headerEditor: state.headerEditor,
    answered: state.queryId > 0 && !state.isFetching,
  }));
  const [json, wakeJson] = useState(false);
  const [graphql, wakeGraphql] = useState(false);
  useEffect(() => {
    const listening = [
      queryEditor?.onDidFocusEditorText(() => wakeGraphql(true)),
      ...[variableEditor, headerEditor].map((editor) => editor?.onDidFocusEditorText(() => wakeJson(true))),
    ];
    return () => listening.forEach((one) => one?.dispose());
  }, [queryEditor, variableEditor, headerEditor]);
  useEffect(() => {
    if (answered) {
      wakeGraphql(true);
    }
  }, [answered]);
  useEffect(() => {
    if (json) {
      monaco?.languages.json.jsonDefaults.setModeConfiguration({ tokens: true, completionItems: true, hovers: true, diagnostics: true });
    }
  }, [json, monaco]);
  useEffect(() => {
    if (graphql) {
      monacoGraphQL?.setModeConfiguration({ documentFormattingEdits: true, completionItems: true, hovers: true, diagnostics: true, documentSymbols: true });
    }
  }, [graphql, monacoGraphQL]);
}
