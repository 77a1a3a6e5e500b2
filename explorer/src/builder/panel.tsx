/** The panel of the query builder, over the operation in front. */
import { useOperation } from "../editor/operation";
import { useSurroundings } from "../variables/surroundings";
import { Builder } from "./tree";

export default function BuilderPanel() {
  const { schema, query, operationName, variables, setQuery, setVariables, ask } = useOperation();
  const surroundings = useSurroundings(ask);
  return (
    <section aria-label="Query builder">
      <h2>Query builder</h2>
      <Builder
        schema={schema}
        query={query}
        operationName={operationName}
        variables={variables}
        surroundings={surroundings}
        onQuery={setQuery}
        onVariables={setVariables}
      />
    </section>
  );
}
