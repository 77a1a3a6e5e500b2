/** Complete the header of a page: where the reader is, whether the data are real, and who is logged in. */
import { about } from "./about";
import { at, pathOf } from "./address";
import { element } from "./element";
import { LOGGED_OUT } from "./requests";

const TITLES = {
  sandbox: "The figures are made up: this server reads a sandbox instead of GameHub and Game History.",
  live: "The figures are real: this server reads GameHub and Game History.",
};

function mark() {
  const here = pathOf();
  const explores = here === "/graphql" || (here === "/" && /[?&](query|saved|variables)=/.test(location.search));
  for (const link of document.querySelectorAll<HTMLAnchorElement>("header.frame nav a")) {
    if (link.hash) continue;
    const to = pathOf(link.pathname);
    const current = explores ? to === "/explorer" : to === "/" ? here === "/" : here === to || here.startsWith(`${to}/`);
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

async function logOut() {
  await fetch(at("/logout"), { method: "POST" }).catch(() => undefined);
  location.assign(at("/login"));
}

async function tell() {
  const badge = document.getElementById("badge");
  const place = document.getElementById("caller");
  if (!badge || !place) return;
  const { data, authentication, caller } = await about();
  badge.textContent = data === "sandbox" ? "Sandbox data" : "Live data";
  badge.title = TITLES[data];
  badge.dataset.data = data;
  badge.hidden = false;
  if (!authentication || !caller) return;
  place.replaceChildren(
    `Logged in as ${caller.name}`,
    ...(caller.session ? [element("button", { type: "button", click: () => void logOut() }, "Log out")] : []),
  );
  place.hidden = false;
}

/** Offer to log in again, and to come back to this page. */
function offer() {
  const place = document.getElementById("caller");
  if (!place || pathOf() === "/login") return;
  const to = encodeURIComponent(pathOf() + location.search);
  place.replaceChildren("You are logged out. ", element("a", { href: at(`/login?to=${to}`) }, "Log in"));
  place.hidden = false;
}

document.addEventListener(LOGGED_OUT, offer);
mark();
void tell().catch(() => undefined); // a page says itself when the server cannot be reached
