/** The workers of the editors. Each is loaded when an editor first needs it. */
import type { Environment } from "monaco-editor";
import EditorWorker from "monaco-editor/esm/vs/editor/editor.worker.js?worker";
import JsonWorker from "monaco-editor/esm/vs/language/json/json.worker.js?worker";
import GraphQLWorker from "monaco-graphql/esm/graphql.worker.js?worker";

const environment: Environment = {
  getWorker(_, label) {
    return label === "json" ? new JsonWorker() : label === "graphql" ? new GraphQLWorker() : new EditorWorker();
  },
};
Object.assign(globalThis, { MonacoEnvironment: environment });
