/** The keys of the page, as people read them. GraphiQL's own keys are the same as ever. */
import { KEY_MAP, formatShortcutForOS } from "@graphiql/react";

export const KEYS = {
  run: formatShortcutForOS(KEY_MAP.runQuery.key, "Cmd"),
  prettify: KEY_MAP.prettify.key,
  merge: KEY_MAP.mergeFragments.key,
  copy: KEY_MAP.copyQuery.key,
  explain: formatShortcutForOS("Shift-Ctrl-Enter", "Cmd"),
  calls: formatShortcutForOS("Ctrl-J", "Cmd"),
  settings: formatShortcutForOS("Ctrl-,", "Cmd"),
  help: "Shift-?",
} as const;

/** What the keys do, for the list of keys. */
export const LIST: readonly (readonly [keys: string, does: string])[] = [
  [KEYS.run, "Run the operation at the cursor"],
  [KEYS.explain, "Explain it: show the calls before they are made"],
  [KEYS.calls, "Show or hide the calls of the last run"],
  ["Ctrl-Space", "Complete what is at the cursor"],
  [KEYS.prettify, "Prettify the query, the variables and the headers"],
  [KEYS.merge, "Merge fragments into the query"],
  [KEYS.copy, "Copy the query"],
  [KEY_MAP.refetchSchema.key, "Read the schema again"],
  [formatShortcutForOS(KEY_MAP.searchInEditor.key, "Cmd"), "Search in an editor"],
  [formatShortcutForOS(KEY_MAP.searchInDocs.key, "Cmd"), "Search in the documentation"],
  ["F1", "Show the commands of an editor"],
  ["Enter, Esc", "Go into an editor, and out of it"],
  ["Arrows", "Go from tab to tab; move the bar between two parts"],
  ["Delete", "Close the tab"],
  ["Ctrl-Shift-Arrows", "Move the tab"],
  [KEYS.settings, "Open the settings"],
  [KEYS.help, "Show the keys"],
];
