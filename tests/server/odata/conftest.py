"""The fixtures of the tests of OData: the library and the graph over the world, as the tests of tables have them."""

from tests.server.tables.conftest import address, open_library, shelved

__all__ = ["address", "open_library", "shelved"]
