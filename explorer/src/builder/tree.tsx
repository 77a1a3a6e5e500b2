/** A tree of the schema: tick a field, and the operation in the editor has it. Beside each field: its report and price. */
import {
  type FieldNode,
  getNamedType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  isCompositeType,
  Kind as Syntax,
  type OperationDefinitionNode,

  typeFromAST,
  valueFromASTUntyped,
} from "graphql";
import { useId, useState } from "react";

import "./builder.css";

import type { FieldFacts } from "../facts";
import { objectOf, textOf } from "../variables/json";
import { operationOf, parsed, standardOf } from "../variables/operation";
import type { Surroundings } from "../variables/surroundings";
import { LabelledInput } from "../variables/value";
import { argue, chainOf, fieldsOf, type Path, rootOf, tick, unargue, untick, vary } from "./edit";

interface Props {
  schema: GraphQLSchema | null | undefined;
  query: string;
  operationName?: string | null | undefined;
  variables: string;
  surroundings: Surroundings;
  onQuery(query: string): void;
  onVariables(variables: string): void;
}

/** The rows on which an object stands: the reports that were read for it, and what the field that led to it knows. */
interface Row {
  reports: readonly string[];
  known?: readonly string[];
}

interface Tree extends Props {
  schema: GraphQLSchema;
  operation: OperationDefinitionNode | undefined;
}

export function Builder(props: Props) {
  const { schema, query, operationName } = props;
  const document = parsed(query.trim() ? query : "{ __typename }");
  if (!schema) return <p className="note">The schema is not there yet.</p>;
  if (!document) return <p className="note">The query has an error. The tree comes back when it is mended.</p>;
  const operation = operationOf(document, operationName);
  const tree = { ...props, schema, operation };
  return (
    <div className="builder">
      <Fields tree={tree} type={rootOf(schema, operation)} path={[]} row={{ reports: [] }} label="Fields of the graph" />
    </div>
  );
}

interface FieldsProps {
  tree: Tree;
  type: GraphQLNamedType | null | undefined;
  path: Path;
  row: Row;
  label: string;
}

function Fields({ tree, type, path, row, label }: FieldsProps) {
  return (
    <ul aria-label={label}>
      {fieldsOf(type).map((field) => (
        <Field key={field.name} tree={tree} parent={type?.name ?? ""} field={field} path={[...path, field.name]} row={row} />
      ))}
    </ul>
  );
}

interface FieldProps {
  tree: Tree;
  parent: string;
  field: GraphQLField<unknown, unknown>;
  path: Path;
  row: Row;
}

function Field({ tree, parent, field, path, row }: FieldProps) {
  const { query, operationName, operation, schema, surroundings, onQuery } = tree;
  const chain = operation ? chainOf(operation, path) : [];
  const node = chain.length === path.length ? chain.at(-1) : undefined;
  const [opened, setOpened] = useState<boolean>();
  const id = useId();
  const type = getNamedType(field.type);
  const composite = isCompositeType(type);
  const open = opened ?? node !== undefined;
  const facts = surroundings.facts.fields[`${parent}.${field.name}`];
  return (
    <li>
      <div className="field">
        {composite ? (
          <button type="button" className="opener" aria-expanded={open} aria-label={`Fields of ${field.name}`} onClick={() => setOpened(!open)} />
        ) : (
          <span className="opener" />
        )}
        <label title={field.description ?? undefined}>
          <input
            type="checkbox"
            checked={node !== undefined}
            aria-describedby={facts ? id : undefined}
            onChange={(event) => {
              setOpened(composite && event.target.checked);
              onQuery(event.target.checked ? tick(query, operationName, path, schema) : untick(query, operationName, path));
            }}
          />
          <span className={field.deprecationReason ? "deprecated" : undefined}>{field.name}</span>
        </label>
        {facts && <Price id={id} facts={facts} row={row} name={field.name} root={path.length === 1} titles={surroundings.facts.reports} />}
      </div>
      {node && field.args.length > 0 && (
        <ul className="arguments" aria-label={`Arguments of ${field.name}`}>
          {field.args.map((argument) => (
            <Argument key={argument.name} tree={tree} place={`${parent}.${field.name}`} argument={argument} node={node} path={path} />
          ))}
        </ul>
      )}
      {composite && open && <Fields tree={tree} type={type} path={path} row={below(row, facts, field.name)} label={`Fields of ${field.name}`} />}
    </li>
  );
}

/** The rows on which the objects of a field stand. */
function below(row: Row, facts: FieldFacts | undefined, name: string): Row {
  if (!facts) return row;
  if (facts.reads) return { reports: [facts.reads] };
  const { known } = facts;
  if (known) return { reports: [], known: row.reports.flatMap((report) => known[report] ?? []) };
  return isHere(row, facts, name) || !facts.reports.length ? row : { reports: facts.reports };
}

function isHere(row: Row, facts: FieldFacts, name: string): boolean {
  return row.known?.includes(name) || facts.reports.some((report) => row.reports.includes(report));
}

interface PriceProps {
  id: string;
  facts: FieldFacts;
  row: Row;
  name: string;
  root: boolean;
  titles: Record<string, string>;
}

/** What a field costs: nothing more where the row of its parent has it, else a call. */
function Price({ id, facts, row, name, root, titles }: PriceProps) {
  const { reads, reports, complexity, milliseconds } = facts;
  if (!reads && !reports.length) return null;
  const named = (codes: readonly string[]) => codes.map((code) => `${code}, ${titles[code] ?? ""}`).join("; or ");
  const price = milliseconds === null ? "" : `${milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0)} ms`;
  if (!reads && (isHere(row, facts, name) || milliseconds === null)) {
    const here = reports.filter((report) => row.reports.includes(report));
    return (
      <span id={id} className="price" title={`No further call: ${named(here.length ? here : reports)}`}>
        {(here.length ? here : row.known ? [] : reports).join(" ") || "known"}
      </span>
    );
  }
  const each = root ? "one call" : complexity >= 10 || !reads ? "for each" : "for all";
  return (
    <span id={id} className="price call" title={`${named(reads ? [reads] : reports)}: about ${price} for a call, ${root ? each : `one ${each}`}.`}>
      {reads ?? reports.join("/")} {price} <small>{each}</small>
    </span>
  );
}

interface ArgumentProps {
  tree: Tree;
  place: string;
  argument: GraphQLArgument;
  node: FieldNode;
  path: Path;
}

function Argument({ tree, place, argument, node, path }: ArgumentProps) {
  const { schema, query, operationName, operation, variables, surroundings, onQuery, onVariables } = tree;
  const given = node.arguments?.find((each) => each.name.value === argument.name);
  const variable = given?.value.kind === Syntax.VARIABLE ? given.value.name.value : undefined;
  const definition = operation?.variableDefinitions?.find((each) => each.variable.name.value === variable);
  const type = definition && typeFromAST(schema, definition.type as never);
  const values = objectOf(variables);
  return (
    <li>
      <label title={argument.description ?? undefined}>
        <input
          type="checkbox"
          checked={given !== undefined}
          onChange={(event) =>
            onQuery(
              event.target.checked
                ? argue(query, operationName, path, argument)
                : unargue(query, operationName, path, argument.name),
            )
          }
        />
        {argument.name} <small>{String(argument.type)}</small>
      </label>
      {given && variable === undefined && (
        <span className="literal">
          <code>{query.slice(given.value.loc?.start, given.value.loc?.end)}</code>{" "}
          <button
            type="button"
            onClick={() => {
              const [next, made] = vary(query, operationName, path, given, String(argument.type));
              onQuery(next);
              if (values) onVariables(textOf({ ...values, [made]: valueFromASTUntyped(given.value) }));
            }}
          >
            Make it a variable
          </button>
        </span>
      )}
      {variable !== undefined && type && values && (
        <LabelledInput
          label={`$${variable}`}
          type={type as GraphQLArgument["type"]}
          value={values[variable]}
          around={surroundings}
          kind={surroundings.facts.names[place]?.[argument.name]}
          standard={definition?.defaultValue ? query.slice(definition.defaultValue.loc?.start, definition.defaultValue.loc?.end) : standardOf(argument)}
          onChange={(value) => {
            const { [variable]: _, ...rest } = values;
            onVariables(textOf(value === undefined ? rest : { ...values, [variable]: value }));
          }}
        />
      )}
    </li>
  );
}

