/** Builds the page of tables into the server's package, as `vite.config.ts` does the explorer's. */
import { resolve } from "node:path";

import { type UserConfig, defineConfig } from "vite";

import { fontLicenses, header, placed } from "./frame/plugin";

/** The build of a page in a folder of this one, whose files stand below an address. */
export const page = (folder: string, base: string): UserConfig => ({
  root: resolve(import.meta.dirname, folder),
  base,
  experimental: { renderBuiltUrl: placed(base) },
  plugins: [header(), fontLicenses("roboto", "fira-code")],
  build: {
    outDir: `../../server/pages/${folder}_page`,
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the page's content security policy allows files of its own origin alone
    assetsDir: "",
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
    license: { fileName: "licenses.md" },
  },
});

export default defineConfig(page("tables", "/tables/page/"));
