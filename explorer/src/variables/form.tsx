/** A form for the variables of an operation. The JSON beside it stays the truth: the form reads it and writes it. */
import type { GraphQLSchema } from "graphql";
import { useMemo } from "react";

import "./form.css";

import { objectOf, textOf } from "./json";
import { operationOf, parsed, variablesOf } from "./operation";
import type { Surroundings } from "./surroundings";
import { LabelledInput } from "./value";

interface Props {
  schema: GraphQLSchema | null | undefined;
  query: string;
  operationName?: string | null | undefined;
  /** The JSON of the variables, as the editor has it. */
  variables: string;
  surroundings: Surroundings;
  onChange(variables: string): void;
}

export function VariablesForm({ schema, query, operationName, variables, surroundings, onChange }: Props) {
  const document = useMemo(() => parsed(query), [query]);
  const operation = document && operationOf(document, operationName);
  const asked = useMemo(
    () => (schema && document && operation ? variablesOf(document, operation, schema, surroundings.facts) : []),
    [schema, document, operation, surroundings.facts],
  );
  const given = objectOf(variables);
  if (!document || !operation) return <p className="note">The query has an error. The form comes back when it is mended.</p>;
  if (!given) return <p className="note">The variables are no JSON object. Mend them in the editor to use the form.</p>;
  if (!asked.length) return <p className="note">This query takes no variables.</p>;
  return (
    <form className="variables-form" aria-label="Values of the query" onSubmit={(event) => event.preventDefault()}>
      {asked.map((each) => (
        <LabelledInput
          key={each.name}
          label={each.name}
          type={each.type}
          value={given[each.name]}
          around={surroundings}
          kind={each.kind}
          description={each.description}
          required={each.required}
          standard={each.standard}
          onChange={(value) => {
            const { [each.name]: _, ...rest } = given;
            onChange(textOf(value === undefined ? rest : { ...given, [each.name]: value }));
          }}
        />
      ))}
    </form>
  );
}
