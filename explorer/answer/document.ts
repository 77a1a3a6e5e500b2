/** What the text of an operation says about its answer: which keys are aliases, and which list is marked as the rows. */
import { type DocumentNode, type OperationDefinitionNode, type SelectionSetNode, Kind as NodeKind, parse } from "graphql";

/** A selection below a key of the answer. */
export interface Selected {
  alias: boolean;
  rows: boolean;
  below: Map<string, Selected>;
}

/** Return what an operation selects; nothing if its text cannot be read. */
export function selectedBy(query: string | undefined, operationName: string | undefined): Selected | undefined {
  let document: DocumentNode;
  try {
    document = parse(query ?? "");
  } catch {
    return undefined; // the answer belongs to an earlier text
  }
  const operations = document.definitions.filter((one): one is OperationDefinitionNode => one.kind === NodeKind.OPERATION_DEFINITION);
  const operation = operations.find(({ name }) => name?.value === operationName) ?? operations[0];
  const fragments = new Map(document.definitions.flatMap((one) => (one.kind === NodeKind.FRAGMENT_DEFINITION ? [[one.name.value, one.selectionSet] as const] : [])));

  function note(selection: SelectionSetNode, into: Selected, open: ReadonlySet<string>) {
    for (const node of selection.selections) {
      if (node.kind === NodeKind.FIELD) {
        const key = (node.alias ?? node.name).value;
        const found = into.below.get(key) ?? { alias: Boolean(node.alias), rows: false, below: new Map<string, Selected>() };
        found.rows ||= node.directives?.some(({ name }) => name.value === "rows") ?? false;
        into.below.set(key, found);
        if (node.selectionSet) note(node.selectionSet, found, open);
      } else if (node.kind === NodeKind.INLINE_FRAGMENT) {
        note(node.selectionSet, into, open);
      } else {
        const named = fragments.get(node.name.value);
        if (named && !open.has(node.name.value)) note(named, into, new Set([...open, node.name.value]));
      }
    }
  }

  const root: Selected = { alias: false, rows: false, below: new Map() };
  if (operation) note(operation.selectionSet, root, new Set());
  return root;
}
