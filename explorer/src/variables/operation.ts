/** The variables of an operation: their types, and what the arguments that use them are. */
import {
  astFromValue,
  type DocumentNode,
  type GraphQLArgument,
  type GraphQLInputType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  Kind as Syntax,
  isInputType,
  isNonNullType,
  parse,
  print,
  typeFromAST,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from "graphql";

import type { Facts, Kind } from "../facts";

export interface Variable {
  name: string;
  type: GraphQLInputType;
  required: boolean;
  /** The value that holds if none is given: the default of the operation, else that of the argument. */
  standard?: string;
  description?: string;
  kind?: Kind;
}

export function parsed(text: string): DocumentNode | undefined {
  try {
    return parse(text, { allowLegacyFragmentVariables: false });
  } catch {
    return undefined; // the editor shows what is wrong
  }
}

/** The operation of a name; without one, the first. */
export function operationOf(document: DocumentNode, name?: string | null): OperationDefinitionNode | undefined {
  const all = document.definitions.filter((node) => node.kind === Syntax.OPERATION_DEFINITION);
  return all.find((node) => node.name?.value === name) ?? all[0];
}

export function variablesOf(document: DocumentNode, operation: OperationDefinitionNode, schema: GraphQLSchema, facts: Facts): Variable[] {
  const uses = usesOf(document, schema, facts);
  return (operation.variableDefinitions ?? []).flatMap((node) => {
    const type = typeFromAST(schema, node.type as never);
    if (!type || !isInputType(type)) return [];
    const name = node.variable.name.value;
    const { start, end } = node.defaultValue?.loc ?? {};
    const standard = start === undefined ? undefined : node.loc?.source.body.slice(start, end);
    return [
      {
        name,
        type,
        required: isNonNullType(type) && standard === undefined,
        ...uses.get(name),
        ...(standard === undefined ? {} : { standard }),
      },
    ];
  });
}

/** What holds if an argument is not given, as a query would write it. */
export function standardOf({ defaultValue, type }: GraphQLArgument): string | undefined {
  const node = defaultValue === undefined ? undefined : astFromValue(defaultValue, type);
  return node ? print(node) : undefined;
}

type Use = Pick<Variable, "description" | "kind" | "standard">;

function usesOf(document: DocumentNode, schema: GraphQLSchema, facts: Facts): Map<string, Use> {
  const found = new Map<string, Use>();
  const types = new TypeInfo(schema);
  let condition: Kind | undefined;
  visit(
    document,
    visitWithTypeInfo(types, {
      Argument(node) {
        const argument = types.getArgument();
        const place = `${types.getParentType()?.name}.${types.getFieldDef()?.name}`;
        if (node.value.kind !== Syntax.VARIABLE || !argument || found.has(node.value.name.value)) return;
        const kind = facts.names[place]?.[argument.name];
        const standard = standardOf(argument);
        found.set(node.value.name.value, {
          ...(standard ? { standard } : {}),
          ...(argument.description ? { description: argument.description } : {}),
          ...(kind ? { kind } : {}),
        });
      },
      ObjectField: {
        enter(node) {
          const parent = types.getParentInputType();
          const owner = parent && "name" in parent ? parent.name : "";
          condition = facts.names[owner]?.[node.name.value] ?? (owner === "IdFilter" ? condition : undefined);
          if (node.value.kind === Syntax.VARIABLE && !found.has(node.value.name.value)) {
            found.set(node.value.name.value, condition ? { kind: condition } : {});
          }
        },
      },
    }),
  );
  return found;
}
