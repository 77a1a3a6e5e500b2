"""What a caller may do, and which power each path asks for. A path that is not in the table is the administrator's."""

from dataclasses import dataclass

from resolvers.caller import EVERYONE

EXPLORE, TABLES, ADMIN = "explore", "tables", "admin"
POWERS = (EXPLORE, TABLES, ADMIN)
assert set(POWERS) == EVERYONE.powers


@dataclass(frozen=True, slots=True)
class Area:
    """Some paths: the power they ask for (None: none, and nobody has to say who he is), and whether limits count."""

    path: str
    power: str | None
    counted: bool = False

    def holds(self, path: str) -> bool:
        """Whether a path is this one, or stands below it."""
        return path == self.path or path.startswith(f"{self.path}/")


AREAS = (
    Area("/healthz", None),
    Area("/readyz", None),
    Area("/graphql", EXPLORE, counted=True),
    Area("/explorer/queries.json", EXPLORE, counted=True),  # its examples ask the upstreams
    Area("/explorer", EXPLORE),
    Area("/tables/page", TABLES),
    Area("/tables", TABLES, counted=True),
    Area("/odata", TABLES, counted=True),
)
PAGE = Area("/", EXPLORE)
_EXACTLY = {one.path: one for one in (PAGE, *AREAS)}
REST = Area("", ADMIN)


def area(path: str) -> Area:
    """Where a path belongs."""
    found = _EXACTLY.get(path)
    if found is not None:
        return found
    return next((one for one in AREAS if one.holds(path)), REST)
