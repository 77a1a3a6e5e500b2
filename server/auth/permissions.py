"""The permissions, and which one each path needs. A path that is not in the table needs `admin`."""

from dataclasses import dataclass

from resolvers.caller import EVERYONE

EXPLORE, TABLES, METRICS, ADMIN = "explore", "tables", "metrics", "admin"
PERMISSIONS = (EXPLORE, TABLES, METRICS, ADMIN)
assert set(PERMISSIONS) == EVERYONE.permissions


@dataclass(frozen=True, slots=True)
class Area:
    """Some paths, the permission that they need (None: no permission and no credential), and whether limits count."""

    path: str
    permission: str | None
    counted: bool = False

    def holds(self, path: str) -> bool:
        """Return whether a path is this one or below it."""
        return path == self.path or path.startswith(f"{self.path}/")

    def opens(self, permissions: frozenset[str]) -> bool:
        """Return whether these permissions are enough. An administrator may read the metrics."""
        needed = self.permission
        return needed is None or needed in permissions or (needed == METRICS and ADMIN in permissions)


AREAS = (
    Area("/healthz", None),
    Area("/readyz", None),
    Area("/login", None),
    Area("/logout", None),
    Area("/page", None),  # the files of the front page: no data
    Area("/graphql", EXPLORE, counted=True),
    Area("/mcp", EXPLORE, counted=True),
    Area("/explorer/queries.json", EXPLORE, counted=True),  # its examples cause upstream calls
    Area("/explorer/answer", EXPLORE, counted=True),
    Area("/explorer/about.json", None),  # says little to callers without a permission
    Area("/explorer", EXPLORE),
    Area("/tables/page", TABLES),
    Area("/tables", TABLES, counted=True),
    Area("/odata", TABLES, counted=True),
    Area("/sql/page", TABLES),
    Area("/sql", TABLES, counted=True),
    Area("/metrics", METRICS),
)
PAGE = Area("/", EXPLORE)
_EXACTLY = {one.path: one for one in (PAGE, *AREAS)}
REST = Area("", ADMIN)
# The first parts of the paths of the server itself: no prefix may begin with them.
OWN_PARTS = frozenset(one.path.split("/")[1] for one in AREAS) | {"metrics", "reconcile"}


def area(path: str) -> Area:
    """Return the area of a path."""
    found = _EXACTLY.get(path)
    if found is not None:
        return found
    return next((one for one in AREAS if one.holds(path)), REST)
