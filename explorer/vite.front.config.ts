/** Builds the front page, the login page and the page about problems into the server's package. */
import { resolve } from "node:path";

import { defineConfig } from "vite";

import { page } from "./vite.tables.config";

const built = page("front", "/page/");
const input = ["index", "login", "problem"].map((name) => resolve(import.meta.dirname, "front", `${name}.html`));

export default defineConfig({ ...built, build: { ...built.build, rolldownOptions: { input } } });
