/** Builds the page of tables into the server's package, as `vite.config.ts` does the explorer's. */
import { resolve } from "node:path";

import { defineConfig } from "vite";

import { fontLicenses } from "./vite.config";

export default defineConfig({
  root: resolve(import.meta.dirname, "tables"),
  base: "/tables/page/",
  plugins: [fontLicenses("roboto", "fira-code")],
  build: {
    outDir: "../../server/pages/tables_page",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the page's content security policy allows files of its own origin alone
    assetsDir: "",
    modulePreload: { polyfill: false },
    license: { fileName: "licenses.md" },
  },
});
