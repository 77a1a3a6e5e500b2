/** The form for the variables of the operation in front. */
import { useOperation } from "../editor/operation";
import { VariablesForm } from "./form";
import { useSurroundings } from "./surroundings";

export default function VariablesPanel() {
  const { schema, query, operationName, variables, setVariables, ask } = useOperation();
  const surroundings = useSurroundings(ask);
  return (
    <VariablesForm
      schema={schema}
      query={query}
      operationName={operationName}
      variables={variables}
      surroundings={surroundings}
      onChange={setVariables}
    />
  );
}
