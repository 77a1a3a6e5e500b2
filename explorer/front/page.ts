/** `/`: what this server is, today in pictures, its health, and where to go. */
import "../frame/page.css";
import "./page.css";
import "../frame/header";

import { about } from "../frame/about";
import { element } from "../frame/element";
import { health } from "./health";
import { pictures } from "./pictures";

const DATA = {
  sandbox: "The figures here are made up: no real GameHub is set, so a sandbox takes its place.",
  live: "The figures here are real.",
};

const today = document.querySelector("#pictures")!;
const states = document.querySelector("#health ul")!;

try {
  const facts = await about();
  document.querySelector("#data")!.textContent = DATA[facts.data];
  document.querySelector("#version")!.textContent = `Version ${facts.version ?? "unknown"}. Days are those of ${facts.zone ?? "UTC"}.`;
  states.replaceChildren(...health(facts));
  today.replaceChildren(...pictures(facts.zone ?? "UTC"));
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  today.replaceChildren(element("p", { class: "failed", role: "alert" }, text));
  states.replaceChildren();
}
