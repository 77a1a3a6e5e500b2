/** The button that opens what can be shared of the operation in front. */
import { lazy, Suspense, useContext, useEffect, useState } from "react";

import { about } from "../../frame/about";
import { useOperation } from "../editor/operation";
import { Saved } from "../saved/plugin";
import { ToolButton } from "../shell/button";
import { ShareIcon } from "../shell/icons";

const ShareDialog = lazy(() => import("./dialog"));

export function ShareButton() {
  const saved = useContext(Saved);
  const { query, variables, operationName, headers } = useOperation();
  const [open, setOpen] = useState(false);
  const [keyed, setKeyed] = useState(false);
  useEffect(() => {
    if (open) about().then((found) => setKeyed(found.authentication || found.caller?.name !== "open"), () => undefined);
  }, [open]);
  return (
    <>
      <ToolButton label="Share" onClick={() => setOpen(true)}>
        <ShareIcon />
      </ToolButton>
      {open && (
        <Suspense>
          <ShareDialog
            query={query}
            variables={variables}
            operationName={operationName}
            saved={saved}
            keyed={keyed || /authorization|api-key/i.test(headers)}
            onClose={() => setOpen(false)}
          />
        </Suspense>
      )}
    </>
  );
}
