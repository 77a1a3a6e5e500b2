/** The place of the saved queries among the panels. */
import type { GraphiQLPlugin } from "@graphiql/react";
import { createContext, lazy } from "react";

import { BookmarkIcon } from "../shell/icons";
import type { SavedQuery } from "./saved";

/** A panel gets no properties from GraphiQL, so the queries come to it by context. */
export const Saved = createContext<SavedQuery[]>([]);

export const SAVED_PLUGIN: GraphiQLPlugin = {
  title: "Saved queries",
  icon: BookmarkIcon,
  content: lazy(() => import("./panel")),
};
