/** Builds the page into the server's package: `npm ci && npm run build`. */
import { resolve } from "node:path";

import { type Plugin, defineConfig } from "vite";

import { fontLicenses, header, placed } from "./frame/plugin";

/** A chunk of a group is named after every entry that reaches it; its own name says enough. */
const short = (name: string) => name.replace(/~.*/, "");

/** GraphiQL and monaco-graphql ask for the whole of Monaco. They get the part of it that the page uses. */
const partOfMonaco: Plugin = {
  name: "part-of-monaco",
  enforce: "pre",
  resolveId(source, importer) {
    const asked = source === "monaco-graphql/esm/monaco-editor.js";
    const inside = source === "./monaco-editor" && importer?.includes("/monaco-graphql/");
    if (asked || inside) return resolve(import.meta.dirname, "src/editor/monaco.ts");
    return /DiffEditorWidget\.js$/i.test(source) ? resolve(import.meta.dirname, "src/editor/without_diff.ts") : null;
  },
};

export default defineConfig({
  base: "/explorer/",
  experimental: { renderBuiltUrl: placed("/explorer/") },
  plugins: [partOfMonaco, header(), fontLicenses("roboto", "fira-code")],
  worker: { format: "es" },
  // graphql looks here, in the browser too, whether it may leave out its checks for developers.
  define: { "globalThis.process": JSON.stringify({ env: { NODE_ENV: "production" } }) },
  build: {
    outDir: "../server/pages/page",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the page's content security policy allows files of its own origin, and no data: scripts or fonts
    modulePreload: { polyfill: false },
    license: { fileName: "licenses.md" },
    chunkSizeWarningLimit: 1500,
    rolldownOptions: {
      checks: { moduleLevelDirective: false }, // "use client" means nothing to a page without a server side
      output: {
        chunkFileNames: ({ name }) => `assets/${short(name)}-[hash].js`,
        assetFileNames: ({ names }) => `assets/${short(names[0]?.replace(/\.\w+$/, "") ?? "file")}-[hash][extname]`,
        codeSplitting: {
          // Monaco's lowest layer imports nothing above it, so it can stand in a file of its own without a circle.
          groups: [{ name: "monaco-base", test: /monaco-editor\/esm\/vs\/base\//, entriesAware: true }],
        },
      },
    },
  },
});
