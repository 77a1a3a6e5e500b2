"""Set the two allocators of the process. Import this first: the Rust client reads its setting when it is loaded.

The Rust client's allocator (mimalloc) requests 18 MiB of huge pages and uses four. No answer becomes faster with them.

The allocator of the C library (glibc) returns a large block to the system as soon as it is free, and learns slowly to
keep it. The next long answer then pays for fresh pages. With fixed limits it keeps blocks up to `LARGEST` and at most
`KEPT` of free memory at the end of the heap. Other C libraries (musl, macOS) have no such limits.
"""

import ctypes
import os

LARGEST = 16 << 20
KEPT = 32 << 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

os.environ.setdefault("MIMALLOC_ALLOW_THP", "0")


def keep_large_blocks() -> bool:
    """Set the limits of the C library. Return whether it has them. Variables of the environment go first."""
    if any(name in os.environ for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")):
        return False
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  # only glibc has it
        mallopt = library.mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGEST)) and bool(mallopt(_M_TRIM_THRESHOLD, KEPT))


keep_large_blocks()


def use_little_memory() -> bool:
    """Let all threads and Arrow share the heap of the C library, for a command that reads long answers.

    Call this before Arrow is imported. Return whether the C library has this limit. Variables of the environment go
    first.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if any(name in os.environ for name in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")):
        return False
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  # only glibc has it
        return bool(library.mallopt(_M_ARENA_MAX, 1))
    except (AttributeError, OSError, TypeError):
        return False
