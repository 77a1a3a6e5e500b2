"""Each path needs one permission, or none."""

import pytest

from server.auth.permissions import area


@pytest.mark.parametrize(
    ("path", "permission", "counted"),
    [
        ("/healthz", None, False),
        ("/readyz", None, False),
        ("/", "explore", False),
        ("/page/a.js", None, False),
        ("/explorer", "explore", False),
        ("/explorer/about.json", None, False),
        ("/explorer/assets/a.js", "explore", False),
        ("/explorer/queries.json", "explore", True),
        ("/explorer/answer/xlsx", "explore", True),
        ("/graphql", "explore", True),
        ("/graphql/stream", "explore", True),
        ("/tables/A.csv", "tables", True),
        ("/tables/A.csv/link", "tables", True),
        ("/odata/$metadata", "tables", True),
        ("/metrics", "metrics", False),
        # What is in no line is the administrator's: no path is forgotten into the open.
        ("/reconcile", "admin", False),
        ("/graphqlx", "admin", False),
        ("//graphql", "admin", False),
        ("/healthz2", "admin", False),
        ("", "admin", False),
    ],
)
def test_paths(path: str, permission: str | None, counted: bool) -> None:
    found = area(path)
    assert (found.permission, found.counted) == (permission, counted)
