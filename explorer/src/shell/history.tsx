/** The operations that ran before. */
import "@graphiql/plugin-history/style.css";

import { History } from "@graphiql/plugin-history";
import { Tooltip } from "@graphiql/react";

export default function OldOperations() {
  return (
    <Tooltip.Provider>
      <History />
    </Tooltip.Provider>
  );
}
