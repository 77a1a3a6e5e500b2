/**
 * Changes to the text of an operation: fields and arguments that come and go. Only the text of what changes is touched,
 * so comments and everything else stay as they were written.
 */
import {
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  getNamedType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  isRequiredArgument,
  Kind as Syntax,
  type OperationDefinitionNode,
  type SelectionSetNode,
  visit,
} from "graphql";

import { operationOf, parsed } from "../variables/operation";

/** A place in an operation: the names of the fields from the root. */
export type Path = readonly string[];

interface Place {
  start: number;
  end: number;
}

const place = (node: { loc?: { start: number; end: number } | undefined }): Place => ({
  start: node.loc?.start ?? 0,
  end: node.loc?.end ?? 0,
});

const cut = (text: string, { start, end }: Place, by = "") => text.slice(0, start) + by + text.slice(end);

/** The first field of a name in a selection, also inside inline fragments. */
export function fieldIn(set: SelectionSetNode | undefined, name: string): FieldNode | undefined {
  for (const node of set?.selections ?? []) {
    if (node.kind === Syntax.FIELD && node.name.value === name) return node;
    const inner = node.kind === Syntax.INLINE_FRAGMENT ? fieldIn(node.selectionSet, name) : undefined;
    if (inner) return inner;
  }
  return undefined;
}

/** The fields of a path that an operation has, from the root as far as they go. */
export function chainOf(operation: OperationDefinitionNode, path: Path): FieldNode[] {
  const chain: FieldNode[] = [];
  let set: SelectionSetNode | undefined = operation.selectionSet;
  for (const name of path) {
    const node = fieldIn(set, name);
    if (!node) break;
    chain.push(node);
    set = node.selectionSet;
  }
  return chain;
}

export function fieldsOf(type: GraphQLNamedType | null | undefined): GraphQLField<unknown, unknown>[] {
  const fields = isObjectType(type) || isInterfaceType(type) ? Object.values(type.getFields()) : [];
  return fields.filter(({ name }) => !name.startsWith("_"));
}

export function rootOf(schema: GraphQLSchema, operation: OperationDefinitionNode | undefined): GraphQLNamedType | null | undefined {
  return operation?.operation === "subscription" ? schema.getSubscriptionType() : schema.getQueryType();
}

/** Every edit starts from the operation as it stands; a text that cannot be parsed stays as it is. */
class Text {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;

  constructor(
    readonly text: string,
    readonly name: string | null | undefined,
  ) {
    const document = parsed(text);
    const operation = document && operationOf(document, name);
    if (!document || !operation) throw new Error("The query has an error.");
    this.document = document;
    this.operation = operation;
  }

  to(text: string): Text {
    return new Text(text, this.name);
  }
}

/** Add the field at a path, with all fields above it, and with a variable for each argument that they need. */
export function tick(text: string, name: string | null | undefined, path: Path, schema: GraphQLSchema): string {
  let now = new Text(text.trim() ? text : "query {\n  __typename\n}\n", name);
  const fields = typesOn(schema, now.operation, path);
  const last = fields[path.length - 1];
  const chain = chainOf(now.operation, path);
  const set = chain.length ? chain.at(-1)?.selectionSet : now.operation.selectionSet;
  if (!last || !set || chain.length === path.length) return text;
  const only = set.selections.length === 1 ? set.selections[0] : undefined;
  const inner = isCompositeType(getNamedType(last.type)) ? firstFields(last) : [];
  now = now.to(withFields(text.trim() ? text : now.text, set, [...path.slice(chain.length), ...inner]));
  if (only?.kind === Syntax.FIELD && only.name.value === "__typename") now = now.to(cut(now.text, line(now.text, place(only))));
  for (let depth = chain.length; depth < path.length; depth++) {
    for (const argument of fields[depth]?.args.filter(isRequiredArgument) ?? []) {
      now = now.to(argue(now.text, name, path.slice(0, depth + 1), argument));
    }
  }
  return now.text;
}

/** Take the field at a path away, the fields above it that have no other field, and variables that nothing uses now. */
export function untick(text: string, name: string | null | undefined, path: Path): string {
  const before = new Text(text, name);
  const chain = chainOf(before.operation, path);
  if (chain.length < path.length) return text;
  let depth = path.length - 1;
  const set = (at: number) => (at === 0 ? before.operation.selectionSet : chain[at - 1]?.selectionSet);
  while (depth > 0 && set(depth)?.selections.length === 1) depth--;
  const gone = chain[depth];
  if (!gone) return text;
  const last = depth === 0 && before.operation.selectionSet.selections.length === 1;
  const after = last ? cut(text, place(gone), "__typename") : cut(text, line(text, place(gone)));
  return dropUnused(before, before.to(after)).text;
}

/** Give an argument of the field at a path: from a variable, whose value is then asked for. */
export function argue(text: string, name: string | null | undefined, path: Path, argument: GraphQLArgument): string {
  const now = new Text(text, name);
  const field = chainOf(now.operation, path).at(-1);
  if (!field || field.arguments?.some((each) => each.name.value === argument.name)) return text;
  const type = String(argument.type);
  const variable = variableFor(now.operation, path, argument.name, type);
  const given = `${argument.name}: $${variable}`;
  const last = field.arguments?.at(-1);
  const at = place(last ?? field.name).end;
  const argued = cut(text, { start: at, end: at }, last ? `, ${given}` : `(${given})`);
  return define(now.to(argued), variable, type);
}

/** Take an argument away, and its variable if nothing else uses it. */
export function unargue(text: string, name: string | null | undefined, path: Path, argument: string): string {
  const now = new Text(text, name);
  const given = chainOf(now.operation, path).at(-1)?.arguments ?? [];
  const node = given.find((each) => each.name.value === argument);
  return node ? dropUnused(now, now.to(without(text, given, node))).text : text;
}

/** Replace a value in the text by a variable, and return the variable's name as well. */
export function vary(text: string, name: string | null | undefined, path: Path, node: ArgumentNode, type: string): [string, string] {
  const now = new Text(text, name);
  const variable = variableFor(now.operation, path, node.name.value, type, false);
  return [define(now.to(cut(text, place(node.value), `$${variable}`)), variable, type), variable];
}

function typesOn(schema: GraphQLSchema, operation: OperationDefinitionNode, path: Path): GraphQLField<unknown, unknown>[] {
  const found = [];
  let type: GraphQLNamedType | null | undefined = rootOf(schema, operation);
  for (const name of path) {
    const field = fieldsOf(type).find((each) => each.name === name);
    if (!field) break;
    found.push(field);
    type = getNamedType(field.type);
  }
  return found;
}

/** What a field of objects selects at first: the id, or the ids of the items of a page. */
function firstFields(field: GraphQLField<unknown, unknown>, deep = true): string[] {
  const fields = fieldsOf(getNamedType(field.type));
  const nodes = fields.find(({ name }) => name === "nodes");
  if (nodes && deep) return ["nodes", ...firstFields(nodes, false)];
  const plain = fields.filter((each) => !isCompositeType(getNamedType(each.type)) && !each.args.some(isRequiredArgument));
  return [(plain.find(({ name }) => name === "id") ?? plain.find(({ name }) => name !== "nodeId") ?? plain[0])?.name ?? "__typename"];
}

/** Add a field at the end of a selection, with the fields inside it, each within the one before. */
function withFields(text: string, set: SelectionSetNode, names: readonly string[]): string {
  const { start, end } = place(set);
  const brace = end - 1;
  const lineStart = text.lastIndexOf("\n", brace - 1) + 1;
  const indent = /^[ \t]*/.exec(text.slice(lineStart))?.[0] ?? "";
  const at = (depth: number) => indent + "  ".repeat(depth + 1);
  const opened = names.map((name, depth) => `${at(depth)}${name}`).join(" {\n");
  const closed = names.slice(1).map((_, depth) => `\n${at(names.length - 2 - depth)}}`);
  const written = `${opened}${closed.join("")}\n`;
  if (lineStart > start && !text.slice(lineStart, brace).trim()) return cut(text, { start: lineStart, end: lineStart }, written);
  const before = text.slice(0, brace).trimEnd();
  if (names.length === 1 && !text.slice(start, end).includes("\n")) return `${before} ${names[0]} ${text.slice(brace)}`;
  return `${before}\n${written}${indent}${text.slice(brace)}`;
}

/** A variable of this type, so that equal arguments share one value; else a new name. */
function variableFor(operation: OperationDefinitionNode, path: Path, argument: string, type: string, shares = true): string {
  const field = path.at(-1) ?? "";
  const taken = new Map(
    (operation.variableDefinitions ?? []).map((node) => {
      const { start, end } = place(node.type);
      return [node.variable.name.value, node.loc?.source.body.slice(start, end)];
    }),
  );
  const names = [argument === "id" ? field : argument, `${field}${argument.charAt(0).toUpperCase()}${argument.slice(1)}`];
  const own = !shares || ["first", "after", "where"].includes(argument);
  const shared = own ? undefined : names.find((each) => taken.get(each) === type);
  const free = shared ?? names.find((each) => !taken.has(each));
  if (free) return free;
  for (let number = 2; ; number++) {
    if (!taken.has(`${names[1]}${number}`)) return `${names[1]}${number}`;
  }
}

function define(now: Text, variable: string, type: string): string {
  const { operation, text } = now;
  const defined = operation.variableDefinitions ?? [];
  if (defined.some((node) => node.variable.name.value === variable)) return text;
  const definition = `$${variable}: ${type}`;
  const last = defined.at(-1);
  if (last) {
    const at = place(last).end;
    return cut(text, { start: at, end: at }, `, ${definition}`);
  }
  const at = place(operation).start;
  if (text[at] === "{") return cut(text, { start: at, end: at }, `query (${definition}) `);
  const after = operation.name ? place(operation.name).end : at + operation.operation.length;
  return cut(text, { start: after, end: after }, `${operation.name ? "" : " "}(${definition})`);
}

function usedIn(document: DocumentNode): Set<string> {
  const used = new Set<string>();
  visit(document, {
    VariableDefinition: () => false,
    Variable: (node) => void used.add(node.name.value),
  });
  return used;
}

/** Drop the definitions of variables that were used before and are not now. */
function dropUnused(before: Text, after: Text): Text {
  const used = usedIn(after.document);
  const defined = after.operation.variableDefinitions ?? [];
  const gone = defined.find(({ variable: { name } }) => !used.has(name.value) && usedIn(before.document).has(name.value));
  return gone ? dropUnused(before, after.to(without(after.text, defined, gone))) : after;
}

/** Take one of several arguments or definitions away; with the last one go the brackets. */
function without(text: string, nodes: readonly { loc?: { start: number; end: number } | undefined }[], node: (typeof nodes)[number]): string {
  const index = nodes.indexOf(node);
  const own = place(node);
  const next = nodes[index + 1];
  const previous = nodes[index - 1];
  if (next) return cut(text, { start: own.start, end: place(next).start });
  if (previous) return cut(text, { start: place(previous).end, end: own.end });
  const open = text.lastIndexOf("(", own.start);
  const close = text.indexOf(")", own.end);
  return cut(text, { start: text[open - 1] === " " && text[close + 1] === " " ? open - 1 : open, end: close + 1 });
}

/** The whole line of a place if nothing else stands on it. */
function line(text: string, { start, end }: Place): Place {
  const before = /[ \t]*$/.exec(text.slice(0, start))?.[0].length ?? 0;
  const after = /^[ \t,]*/.exec(text.slice(end))?.[0].length ?? 0;
  const alone = text[start - before - 1] === "\n" && (text[end + after] === "\n" || end + after === text.length);
  return alone ? { start: start - before, end: end + after + 1 } : { start, end: end + after };
}
