"""What libraries take and a server does without. Imported before all else, since they take it when they are loaded.

structlog loads rich, for tracebacks that ours are not, and greenlet, for threads that we have not; tenacity loads
tornado, which comes with dask: each merely because it is installed, and all together 6 MiB. The allocator of pyreqwest
(mimalloc) asks for huge pages: 18 MiB, of which it uses four, and no answer is the faster for it.
"""

import os
import sys
from importlib import import_module

UNUSED = {"structlog": ("rich", "greenlet"), "tenacity": ("tornado",)}
ENVIRONMENT = {"MIMALLOC_ALLOW_THP": "0"}


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
for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)
