/** The place of the query builder among the panels. */
import type { GraphiQLPlugin } from "@graphiql/react";
import { lazy } from "react";

import { TreeIcon } from "../shell/icons";

export const BUILDER_PLUGIN: GraphiQLPlugin = {
  title: "Query builder",
  icon: TreeIcon,
  content: lazy(() => import("./panel")),
};
