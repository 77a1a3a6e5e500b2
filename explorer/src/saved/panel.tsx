/** The panel of the saved queries, over the tabs of the page. */
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useContext } from "react";

import { SavedQueries } from "./list";
import { Saved } from "./plugin";
import { type SavedQuery, tabOf, variablesText } from "./saved";

export default function SavedPanel() {
  const saved = useContext(Saved);
  const { addTab, changeTab } = useGraphiQLActions();
  const { tabs, activeTabIndex, queryEditor, variableEditor, headerEditor } = useGraphiQL((state) => ({
    tabs: state.tabs,
    activeTabIndex: state.activeTabIndex,
    queryEditor: state.queryEditor,
    variableEditor: state.variableEditor,
    headerEditor: state.headerEditor,
  }));

  function open(one: SavedQuery) {
    const tab = tabOf(one, tabs);
    if (tab >= 0) {
      if (tab !== activeTabIndex) changeTab(tab);
      return;
    }
    const headers = headerEditor?.getValue() ?? ""; // whoever typed a key in this tab wants it in the next
    addTab();
    queryEditor?.setValue(one.query);
    variableEditor?.setValue(variablesText(one));
    headerEditor?.setValue(headers);
    queryEditor?.setScrollTop(0);
  }

  function restore(one: SavedQuery, tab: number) {
    if (tab !== activeTabIndex) changeTab(tab);
    queryEditor?.setValue(one.query);
    queryEditor?.setScrollTop(0);
  }

  return <SavedQueries saved={saved} tabs={tabs} activeTab={activeTabIndex} onOpen={open} onRestore={restore} />;
}
