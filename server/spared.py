"""Libraries that load others merely because they are installed, loaded here without them, before anything else does.

structlog takes rich, for tracebacks that ours are not, and greenlet, for threads that we have not; tenacity takes
tornado, which comes with dask. Together they take 6 MiB.
"""

import sys
from importlib import import_module

UNUSED = {"structlog": ("rich", "greenlet"), "tenacity": ("tornado",)}


def load(library: str, without: tuple[str, ...]) -> None:
    """Import a library to which the others are not installed."""
    hidden = [name for name in without if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: an import of it fails
    try:
        import_module(library)
    finally:
        for name in hidden:
            del sys.modules[name]


for library, others in UNUSED.items():
    load(library, others)
