"""The fixture of the tests of SQL: the graph over the world, as the tests of tables have it."""

from tests.server.tables.conftest import address

__all__ = ["address"]
