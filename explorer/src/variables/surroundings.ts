/** What the fields for values need besides the value: what the server knows, the choices of the caller, the zone. */
import { useEffect, useMemo, useState } from "react";

import { about } from "../../frame/about";
import { type Facts, NO_FACTS, readFacts } from "../facts";
import { type Ask, Choices } from "./choices";

export interface Surroundings {
  facts: Facts;
  choices: Choices;
  /** The time zone of the business. */
  zone: string;
}

export function useSurroundings(ask: Ask): Surroundings {
  const [facts, setFacts] = useState<Facts>(NO_FACTS);
  const [zone, setZone] = useState("UTC");
  useEffect(() => {
    void readFacts().then(setFacts);
    about().then(
      (found) => setZone(found.zone ?? "UTC"),
      () => undefined,
    );
  }, []);
  const choices = useMemo(() => new Choices(ask, facts.choices), [ask, facts.choices]);
  return useMemo(() => ({ facts, choices, zone }), [facts, choices, zone]);
}
