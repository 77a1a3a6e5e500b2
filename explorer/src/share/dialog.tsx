/** What leaves the page: a link that opens the query, and the query as a program of each client. */
import { useEffect, useId, useRef, useState } from "react";

import "./share.css";

import { ROOT } from "../../frame/address";
import { copy } from "../../frame/clipboard";
import type { SavedQuery } from "../saved/saved";
import { operationOf, parsed } from "../variables/operation";
import { linkTo, LONG, type Shared, TOO_LONG, unchanged } from "./link";
import { snippets } from "./snippets";

interface Props extends Shared {
  operationName?: string | null | undefined;
  saved: readonly SavedQuery[];
  keyed: boolean;
  onClose(): void;
}

export default function ShareDialog({ query, variables, operationName, saved, keyed, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const [tool, setTool] = useState("curl");
  const [said, setSaid] = useState("");

  useEffect(() => {
    dialog.current?.showModal();
  }, []);

  const document = parsed(query);
  const operation = document && operationOf(document, operationName);
  const link = linkTo({ query, variables }, saved, ROOT);
  const all = snippets({
    query,
    variables,
    keyed,
    origin: ROOT,
    subscribes: operation?.operation === "subscription",
    operationName: operation?.name?.value,
    table: unchanged(query, saved)?.table,
  });
  const chosen = all.find((one) => one.tool === tool) ?? all[0];

  function take(text: string, what: string) {
    copy(text, undefined, dialog.current ?? undefined).then(
      () => setSaid(`${what} is copied.`),
      (error: Error) => setSaid(error.message),
    );
  }

  const count = link.length.toLocaleString("en");
  return (
    <dialog ref={dialog} className="share" aria-labelledby={id} onClose={onClose}>
      <div className="dialog-head">
        <h2 id={id}>Share</h2>
        <button type="button" className="tool" aria-label="Close" onClick={onClose}>
          ×
        </button>
      </div>
      <div className="dialog-body">
        <label htmlFor={`${id}-link`}>A link that opens this query with its variables, and does not run it</label>
        <div className="line">
          <input id={`${id}-link`} readOnly value={link} onFocus={(event) => event.target.select()} />
          <button type="button" onClick={() => take(link, "The link")}>
            Copy link
          </button>
        </div>
        {link.length > LONG && (
          <p className="note">
            {link.length > TOO_LONG
              ? `This link has ${count} characters, which is too long for the server: save the query, or send its text.`
              : `This link has ${count} characters. Some mail and chat programs cut links after 2,000.`}
          </p>
        )}
        <label htmlFor={`${id}-tool`}>The query as a program</label>
        <div className="line">
          <select id={`${id}-tool`} value={chosen?.tool} onChange={(event) => setTool(event.target.value)}>
            {all.map((one) => (
              <option key={one.tool}>{one.tool}</option>
            ))}
          </select>
          <button type="button" onClick={() => chosen && take(chosen.text, chosen.tool)}>
            Copy
          </button>
        </div>
        <pre tabIndex={0} aria-label={`The query for ${chosen?.tool}`}>
          <code>{chosen?.text}</code>
        </pre>
        <p role="status">{said}</p>
        <p className="note">
          Neither the link nor the programs have a key or other headers.
          {keyed && " The programs read the key from the variable GAMEHUB_GRAPH_KEY."}
        </p>
      </div>
    </dialog>
  );
}
