/** Builds the page of SQL into the server's package. */
import { defineConfig } from "vite";

import { page } from "./vite.tables.config";

export default defineConfig(page("sql", "/sql/page/"));
