/** Requests to the server, with what to say when they fail. */
import { at } from "./address";

export const UNREACHED = "The server cannot be reached. It may have stopped, or the network is down. Try again in a moment.";

/** The document has this event when the server no longer knows who the caller is: the header then offers to log in. */
export const LOGGED_OUT = "loggedout";

/** Send a request to a path of the server. An error says in a sentence why there is no answer. */
export async function send(path: string, options: RequestInit = {}): Promise<Response> {
  try {
    const answer = await fetch(at(path), options);
    if (answer.status === 401) document.dispatchEvent(new Event(LOGGED_OUT));
    return answer;
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Error(UNREACHED, { cause: error });
  }
}

/** Load JSON. An error has the message that the server sent. */
export async function load<T>(path: string): Promise<T> {
  const answer = await send(path, { headers: { accept: "application/json" } });
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.errors?.[0]?.message ?? `The server answers ${answer.status}.`);
  return content;
}
