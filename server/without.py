"""Do without libraries that DuckDB and Arrow load only because they are installed.

Arrow imports pandas for the first list that it converts, which takes a third of a second and 40 MiB.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _MissingModules(MetaPathFinder):
    """Say that modules are not installed."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return None for other modules, so that the next finder looks for them."""
        if name in self._names:
            raise ModuleNotFoundError(f"{name} is not loaded here", name=name)
        return None


def do_without(*names: str) -> None:
    """Refuse to import these modules from now on, as if they were not installed."""
    sys.meta_path.insert(0, _MissingModules(names))
