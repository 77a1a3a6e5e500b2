/** `/login`: send the key in the background, so that this page can say why it is not accepted. */
import "../frame/page.css";
import "./page.css";
import "../frame/header";

import { about } from "../frame/about";
import { at } from "../frame/address";
import { element } from "../frame/element";
import { send } from "../frame/requests";

/** Pages that only show what they are given, so that a link from elsewhere may lead to them without a question. */
const PAGE = /^\/(explorer|tables(\/\w+)?)?(\?|$)|^\/sql(\?q=[^&]*)?$/;

const form = document.querySelector<HTMLFormElement>("#login")!;
const place = document.getElementById("message")!;
const button = form.querySelector("button")!;
const wanted = () => String(new FormData(form).get("to") || "/");

function tell(text: string) {
  place.replaceChildren(element("p", { class: "failed", role: "alert" }, text));
}

async function logIn() {
  button.disabled = true;
  form.setAttribute("aria-busy", "true");
  const pairs = [...new FormData(form)].map(([name, value]): [string, string] => [name, String(value)]);
  try {
    const answer = await send("/login", { method: "POST", body: new URLSearchParams(pairs), headers: { accept: "application/json" } });
    const content = await answer.json().catch(() => ({}));
    if (answer.ok) return location.replace(at(content.to ?? "/"));
    tell(content.errors?.[0]?.message ?? `The server answers ${answer.status}.`);
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error));
  }
  button.disabled = false;
  form.removeAttribute("aria-busy");
  form.querySelector<HTMLInputElement>("#key")!.select();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void logIn();
});

// A browser sends the session of this server only with requests of its own pages: after a link from elsewhere, this page
// is the first to know that somebody is logged in.
const { caller } = await about().catch(() => ({ caller: null }));
if (caller?.session && !new URLSearchParams(location.search).has("ended")) {
  if (PAGE.test(wanted())) location.replace(at(wanted()));
  else place.replaceChildren(element("p", {}, `You are logged in as ${caller.name}. `, element("a", { href: at(wanted()) }, "Continue")));
}
