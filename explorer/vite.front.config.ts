/** Builds the front page into the server's package. */
import { defineConfig } from "vite";

import { page } from "./vite.tables.config";

export default defineConfig(page("front", "/page/"));
