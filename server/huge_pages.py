"""Turn huge pages off. Import this before everything else, because the Rust client takes them when it is loaded.

Its allocator (mimalloc) requests 18 MiB of huge pages and uses four. No answer becomes faster with them.
"""

import os

os.environ.setdefault("MIMALLOC_ALLOW_THP", "0")
