/** The commands for the operation in front. */
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";

import { ShareButton } from "../share/button";
import { RunButton, ToolButton } from "./button";
import { Help } from "./help";
import { CopyIcon, MergeIcon, PlanIcon, WandIcon } from "./icons";
import { KEYS } from "./keys";

interface Properties {
  run: () => void;
  explain: () => void;
  toggleCalls: () => void;
}

export function Toolbar({ run, explain, toggleCalls }: Properties) {
  const { stop, prettifyEditors, mergeQuery, copyQuery, setOperationName } = useGraphiQLActions();
  const { isFetching, subscribed, operations, operationName } = useGraphiQL((state) => ({
    isFetching: state.isFetching,
    subscribed: Boolean(state.subscription),
    operations: state.operations,
    operationName: state.operationName,
  }));
  const running = isFetching || subscribed;
  const names = (operations ?? []).flatMap((one) => one.name?.value ?? []);
  return (
    <>
      <RunButton running={running} keys={KEYS.run} onClick={() => (running ? stop() : run())} />
      {names.length > 1 && (
        <select aria-label="Operation to run" value={operationName ?? names[0]} onChange={(event) => setOperationName(event.target.value)}>
          {names.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      )}
      <ToolButton className="explain" label="Explain: show the calls before they are made" keys={KEYS.explain} onClick={explain}>
        <PlanIcon />
        <span>Explain</span>
      </ToolButton>
      <ToolButton label="Prettify" keys={KEYS.prettify} onClick={() => void prettifyEditors()}>
        <WandIcon />
      </ToolButton>
      <ToolButton label="Merge fragments" keys={KEYS.merge} onClick={mergeQuery}>
        <MergeIcon />
      </ToolButton>
      <ToolButton label="Copy query" keys={KEYS.copy} onClick={() => void copyQuery()}>
        <CopyIcon />
      </ToolButton>
      <ShareButton />
      <span className="gap" />
      <Help run={run} explain={explain} toggleCalls={toggleCalls} />
    </>
  );
}
