"""Say which entity does not exist, in the same words for every report and every caller."""

from collections.abc import Iterable

from upstream.reports.table import Report


def absence(report: Report, params: Iterable[tuple[str, object]]) -> str:
    """Return the message for a call that names an entity which does not exist, or which the caller may not see.

    The text contains only what the caller asked for, so it is the same in both cases. `params` are the names and values
    of the parameters.
    """
    named = [f"{kind.value} {value}" for name, value in params if (kind := report.parameters[name].entity) is not None]
    return f"{report.code}: there is no {' or no '.join(named) or 'such group, user, room or game'}"
