"""What a server does without. Imported before all else, since it is taken when the Rust client is loaded.

Its allocator (mimalloc) asks for huge pages: 18 MiB, of which it uses four, and no answer is the faster for it.
"""

import os

os.environ.setdefault("MIMALLOC_ALLOW_THP", "0")
