/**
 * Monaco with the features that the page uses. It stands in for `monaco-graphql/esm/monaco-editor.js`, which brings all of
 * them, and is loaded after the first picture of the page.
 */
import "monaco-editor/esm/vs/basic-languages/graphql/graphql.contribution.js";
import "monaco-editor/esm/vs/language/json/monaco.contribution.js";
import "monaco-editor/esm/vs/editor/browser/coreCommands.js";
import "monaco-editor/esm/vs/editor/browser/widget/codeEditor/codeEditorWidget.js";
import "monaco-editor/esm/vs/editor/contrib/bracketMatching/browser/bracketMatching.js";
import "monaco-editor/esm/vs/editor/contrib/clipboard/browser/clipboard.js";
import "monaco-editor/esm/vs/editor/contrib/comment/browser/comment.js";
import "monaco-editor/esm/vs/editor/contrib/contextmenu/browser/contextmenu.js";
import "monaco-editor/esm/vs/editor/contrib/cursorUndo/browser/cursorUndo.js";
import "monaco-editor/esm/vs/editor/contrib/find/browser/findController.js";
import "monaco-editor/esm/vs/editor/contrib/folding/browser/folding.js";
import "monaco-editor/esm/vs/editor/contrib/gotoSymbol/browser/goToCommands.js";
import "monaco-editor/esm/vs/editor/contrib/gotoSymbol/browser/link/goToDefinitionAtPosition.js";
import "monaco-editor/esm/vs/editor/contrib/gotoError/browser/gotoError.js";
import "monaco-editor/esm/vs/editor/contrib/hover/browser/hoverContribution.js";
import "monaco-editor/esm/vs/editor/contrib/linesOperations/browser/linesOperations.js";
import "monaco-editor/esm/vs/editor/contrib/multicursor/browser/multicursor.js";
import "monaco-editor/esm/vs/editor/contrib/readOnlyMessage/browser/contribution.js";
import "monaco-editor/esm/vs/editor/contrib/smartSelect/browser/smartSelect.js";
import "monaco-editor/esm/vs/editor/contrib/snippet/browser/snippetController2.js";
import "monaco-editor/esm/vs/editor/contrib/suggest/browser/suggestController.js";
import "monaco-editor/esm/vs/editor/contrib/tokenization/browser/tokenization.js";
import "monaco-editor/esm/vs/editor/contrib/toggleTabFocusMode/browser/toggleTabFocusMode.js";
import "monaco-editor/esm/vs/editor/contrib/wordOperations/browser/wordOperations.js";
import "monaco-editor/esm/vs/editor/common/standaloneStrings.js";
import "monaco-editor/esm/vs/base/browser/ui/codicons/codiconStyles.js";
import "monaco-editor/esm/vs/editor/standalone/browser/quickAccess/standaloneCommandsQuickAccess.js";
import "monaco-editor/esm/vs/editor/standalone/browser/referenceSearch/standaloneReferenceSearch.js";
import { editor, languages } from "monaco-editor/esm/vs/editor/editor.api.js";

import { THEMES } from "./themes";

languages.json.jsonDefaults.setModeConfiguration({ tokens: true }); // the rest needs a worker: `language.ts` begins it

const shared = { "editor.background": "#00000000", "scrollbar.shadow": "#00000000" };
editor.defineTheme(THEMES.light, {
  base: "vs",
  inherit: true,
  colors: { ...shared, focusBorder: "#b5186c", "editorLineNumber.foreground": "#5b6474", "editorWidget.background": "#ffffff", "textLink.foreground": "#b5186c" },
  rules: [{ token: "argument.identifier.gql", foreground: "#4b48b0" }],
});
editor.defineTheme(THEMES.dark, {
  base: "vs-dark",
  inherit: true,
  colors: { ...shared, focusBorder: "#ff6fb8", "editorLineNumber.foreground": "#a2aaba", "editorWidget.background": "#242a36", "textLink.foreground": "#ff6fb8" },
  rules: [
    { token: "argument.identifier.gql", foreground: "#a5a0ff" },
    { token: "comment", foreground: "#8fbf7f" },
  ],
});

export * from "monaco-editor/esm/vs/editor/editor.api.js";
