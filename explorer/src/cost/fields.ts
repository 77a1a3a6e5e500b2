/** The places of fields in a query, by the names that calls give to the fields that they serve. */
import { type DocumentNode, type FieldNode, type GraphQLSchema, TypeInfo, getNamedType, getNullableType, isListType, visit, visitWithTypeInfo } from "graphql";

export interface FieldPlace {
  /** The names by which calls may know the field: `Type.field`, and `Type` for the field that finds one entity. */
  names: string[];
  /** The place of the name, with the alias. */
  from: number;
  to: number;
  /** Where the field ends, with its selections. */
  end: number;
}

/** Return the places of all fields of a document, outer ones before inner ones. */
export function fieldPlaces(document: DocumentNode, schema: GraphQLSchema): FieldPlace[] {
  const found: FieldPlace[] = [];
  const types = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(types, {
      Field(node) {
        const parent = types.getParentType();
        const type = types.getType();
        if (node.loc && node.name.loc && parent) {
          const names = [`${parent.name}.${node.name.value}`];
          if (type && !isListType(getNullableType(type))) {
            names.push(getNamedType(type).name);
          }
          found.push({ names, from: node.loc.start, to: node.name.loc.end, end: node.loc.end });
        }
      },
    }),
  );
  return found;
}

/** Return the names of the field at a place of the query, then those of the fields around it. */
export function fieldsAround(places: readonly FieldPlace[], offset: number): string[] {
  return places
    .filter((place) => place.from <= offset && offset <= place.end)
    .reverse()
    .flatMap((place) => place.names);
}

/** Return the place of the field that an error's path names; undefined if the document has no such field. */
export function fieldOfPath(document: DocumentNode, operationName: string | null | undefined, path: readonly (string | number)[]): number | undefined {
  const fragments = new Map(document.definitions.flatMap((one) => (one.kind === "FragmentDefinition" ? [[one.name.value, one] as const] : [])));
  const operation = document.definitions.find((one) => one.kind === "OperationDefinition" && (!operationName || one.name?.value === operationName));
  let within = operation && "selectionSet" in operation ? [operation.selectionSet] : [];
  let place: number | undefined;
  for (const step of path) {
    if (typeof step === "number") {
      continue;
    }
    const fields: FieldNode[] = [];
    const waiting = [...within];
    for (const set of waiting) {
      for (const node of set.selections) {
        if (node.kind === "Field") {
          if ((node.alias ?? node.name).value === step) {
            fields.push(node);
          }
        } else {
          const inner = node.kind === "InlineFragment" ? node.selectionSet : fragments.get(node.name.value)?.selectionSet;
          if (inner && !waiting.includes(inner)) {
            waiting.push(inner);
          }
        }
      }
    }
    place = fields[0]?.loc?.start ?? place;
    within = fields.flatMap((field) => field.selectionSet ?? []);
  }
  return place;
}
