"""Run a pipeline, and end with an error if a day could not be loaded."""

from typing import Any

import dlt

# dlt would load CSV into PostgreSQL, in which an empty text becomes null.
FILE_FORMATS = {"postgres": "insert_values"}


class LoadIncomplete(Exception):
    """Some parts are not loaded. `failed` has the reason for each, as table, entity and day (or "all")."""

    def __init__(self, failed: dict[tuple[str, str, str], str]) -> None:
        self.failed = failed
        lines = [f"{table}, {entity}, {day}: {reason}" for (table, entity, day), reason in failed.items()]
        super().__init__("\n".join([f"{len(failed)} parts are not loaded; the next run tries them again:", *lines]))


def load(pipeline: dlt.Pipeline, source: Any) -> Any:
    """Load all that can be read, and return what dlt says of the run. Raise LoadIncomplete for the rest."""
    destination = pipeline.destination.destination_name if pipeline.destination else ""
    found = pipeline.run(source, loader_file_format=FILE_FORMATS.get(destination))
    found.raise_on_failed_jobs()
    failed = failures(pipeline, source)
    if failed:
        raise LoadIncomplete(failed)
    return found


def failures(pipeline: dlt.Pipeline, source: Any) -> dict[tuple[str, str, str], str]:
    """Return the parts that are not loaded, of the tables and entities of the last run, with the reason for each."""
    resources = pipeline.state.get("sources", {}).get(source.name, {}).get("resources", {})
    found = {table: resources[table] for table in source.selected_resources if table in resources}
    return {
        (table, entity, day): reason
        for table, state in found.items()
        for entity in state["read"]
        for day, reason in state["entities"][entity]["failed"].items()
    }
