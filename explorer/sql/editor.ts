/**
 * The editor of the statement. It stands in a shadow tree: its styles are objects there, which the content security policy
 * of the page allows, and not elements, which it refuses.
 */
import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { PostgreSQL } from "@codemirror/lang-sql";
import { HighlightStyle, bracketMatching, syntaxHighlighting } from "@codemirror/language";
import { Prec, StateEffect, StateField } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";

import type { CatalogTable } from "./catalog";
import { completions } from "./completion";

export interface Editor {
  element: HTMLElement;
  text: () => string;
  set: (text: string) => void;
  insert: (name: string) => void;
  /** Mark a place that the server names, and move there. */
  mark: (line: number, column: number) => void;
  unmark: () => void;
}

const marked = StateEffect.define<number | null>();
const wrongLine = Decoration.line({ class: "wrong" });
const marks = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(found, { changes, effects }) {
    for (const effect of effects) {
      if (effect.is(marked)) return effect.value === null ? Decoration.none : Decoration.set(wrongLine.range(effect.value));
    }
    return found.map(changes);
  },
  provide: (field) => EditorView.decorations.from(field),
});

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.bool, tags.null], color: "var(--keyword)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--string)" },
  { tag: tags.number, color: "var(--number)" },
  { tag: [tags.typeName, tags.standard(tags.name)], color: "var(--name)" },
  { tag: tags.comment, color: "var(--soft)", fontStyle: "italic" },
]);

const theme = EditorView.theme({
  "&": { backgroundColor: "var(--back)", border: "1px solid var(--line)", borderRadius: "8px", color: "var(--ink)" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-1px" },
  ".cm-scroller": { fontFamily: '"Fira Code", monospace', fontSize: "14px", fontVariantLigatures: "none", lineHeight: "1.6", maxHeight: "50vh", overflow: "auto" },
  ".cm-content": { caretColor: "var(--ink)", minHeight: "176px", padding: "10px 0" },
  ".cm-line": { padding: "0 12px" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "transparent", border: "none", color: "var(--soft)", paddingLeft: "6px" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--ink) 4%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "transparent", color: "var(--ink)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "color-mix(in srgb, var(--accent) 22%, var(--back))",
  },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { backgroundColor: "color-mix(in srgb, var(--accent) 25%, transparent)" },
  ".cm-placeholder": { color: "var(--soft)" },
  ".cm-line.wrong": { backgroundColor: "color-mix(in srgb, #d33 16%, transparent)" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", border: "1px solid var(--line)", borderRadius: "6px", color: "var(--ink)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: '"Fira Code", monospace', fontSize: "13px", maxHeight: "260px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "3px 8px" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--back)" },
  ".cm-completionDetail": { color: "inherit", fontStyle: "normal", marginLeft: "12px", opacity: "0.75" },
  ".cm-completionMatchedText": { fontWeight: "500", textDecoration: "underline" },
  ".cm-completionIcon": { display: "none" },
  ".cm-tooltip.cm-completionInfo": { maxWidth: "340px", padding: "8px 12px", fontSize: "13px" },
});

/**
 * Type over a selection. The browser itself would keep the style of what it replaces as an inline style, which the policy
 * refuses with a complaint.
 */
const typing = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { from, to, empty } = view.state.selection.main;
    if (event.inputType !== "insertText" || event.data === null || empty || view.composing) return false;
    const text = event.data;
    const insert = () => view.state.update(view.state.replaceSelection(text), { userEvent: "input.type", scrollIntoView: true });
    if (!view.state.facet(EditorView.inputHandler).some((handle) => handle(view, from, to, text, insert))) view.dispatch(insert());
    event.preventDefault();
    return true;
  },
});

export function editor(tables: () => CatalogTable[], run: () => void, changed: () => void): Editor {
  const element = document.createElement("div");
  element.className = "editor";
  const root = element.attachShadow({ mode: "open" });
  const view = new EditorView({
    root,
    parent: root,
    extensions: [
      lineNumbers(),
      history(),
      drawSelection(),
      highlightActiveLine(),
      bracketMatching(),
      closeBrackets(),
      EditorView.lineWrapping,
      placeholder("SELECT … FROM …"),
      PostgreSQL.extension,
      syntaxHighlighting(colours),
      autocompletion({ override: [completions(tables)] }),
      marks,
      typing,
      theme,
      EditorView.contentAttributes.of({ "aria-label": "Statement" }),
      EditorView.updateListener.of((update) => update.docChanged && changed()),
      Prec.highest(keymap.of([{ key: "Mod-Enter", run: () => (run(), true) }])),
      // Tab takes a completion. Otherwise it leaves the editor, as it leaves every other field.
      keymap.of([{ key: "Tab", run: acceptCompletion }, ...closeBracketsKeymap, ...completionKeymap, ...defaultKeymap, ...historyKeymap]),
    ],
  });
  return {
    element,
    text: () => view.state.doc.toString(),
    set: (text) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, selection: { anchor: text.length } }),
    insert: (name) => {
      const { from, to } = view.state.selection.main;
      const before = view.state.sliceDoc(Math.max(from - 1, 0), from);
      const text = /[\w"]/.test(before) ? ` ${name}` : name;
      view.dispatch({ changes: { from, to, insert: text }, selection: { anchor: from + text.length }, scrollIntoView: true });
      view.focus();
    },
    mark: (line, column) => {
      const there = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines));
      const at = Math.min(there.from + Math.max(column - 1, 0), there.to);
      view.dispatch({ effects: marked.of(there.from), selection: { anchor: at }, scrollIntoView: true });
    },
    unmark: () => view.dispatch({ effects: marked.of(null) }),
  };
}
