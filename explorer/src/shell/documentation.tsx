/** The documentation of the graph's types. */
import "@graphiql/plugin-doc-explorer/style.css";

import { DocExplorer, DocExplorerStore } from "@graphiql/plugin-doc-explorer";

export default function Documentation() {
  return (
    <DocExplorerStore>
      <DocExplorer />
    </DocExplorerStore>
  );
}
