"""The serving process keeps large blocks of memory, where the C library can be told to."""

import platform
import subprocess
import sys

import pytest

# The size of the heap, which the C library extends for blocks that it keeps, before and after a block of 8 MiB.
HEAP = """
from pathlib import Path

def heap():
    lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("[heap]")]
    first, last = lines[0].split()[0].split("-")
    return int(last, 16) - int(first, 16)

before = heap()
block = bytes(8 << 20)
print(heap() - before)
"""


def grown(*first: str, **environment: str) -> int:
    """Return by how many bytes a block of 8 MiB extends the heap of a new process."""
    code = "\n".join([*first, HEAP])
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return int(ran.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these limits")
def test_a_large_block_comes_from_the_heap() -> None:
    assert grown() == 0
    assert grown("import server.allocators") > 7 << 20  # a part was free before
    # The operator's own choice counts.
    assert grown("import server.allocators", MALLOC_MMAP_THRESHOLD_="1000000") == 0


def test_another_c_library_is_left_alone() -> None:
    other = ["import ctypes", "ctypes.CDLL = lambda name: object()", "import server.allocators as found"]
    assert grown(*other, "assert not found.keep_large_blocks()") == grown()


def test_a_command_for_long_answers_uses_one_heap() -> None:
    lines = ["import os", "from server.allocators import use_little_memory as use"]
    code = "\n".join([*lines, "print(use(), os.environ.get('ARROW_DEFAULT_MEMORY_POOL'))"])
    for environment, found in (({}, platform.libc_ver()[0] == "glibc"), ({"MALLOC_ARENA_MAX": "4"}, False)):
        ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert ran.stdout.split() == [str(found), "system"]
