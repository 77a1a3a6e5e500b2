"""A long run of the oracle: `make oracle`. ORACLE_SEED repeats a run, ORACLE_DOCUMENTS says how many documents."""

import os
import sys
import tempfile
from pathlib import Path

from server import logs
from tests.oracle.runner import KNOWN, Run
from tests.oracle.stand import stands
from tests.upstream.redis_server import RedisServer


def main() -> int:
    """Print every failure; returns how the process ends."""
    seed = os.environ.get("ORACLE_SEED") or str(int.from_bytes(os.urandom(4)))
    documents = int(os.environ.get("ORACLE_DOCUMENTS", "5000"))
    most = int(os.environ.get("ORACLE_FAILURES", "20"))
    known = frozenset() if os.environ.get("ORACLE_KNOWN") == "no" else frozenset(KNOWN)
    logs.set_up("error", "console")
    sys.stdout.write(f"ORACLE_SEED={seed} ORACLE_DOCUMENTS={documents}\n")
    run, failures = Run(seed, documents, known), 0
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as redis, stands(redis.url) as shared:
        for failure in run.over(shared, most):
            failures += 1
            sys.stdout.write(f"\n--- {failures}\n{failure}\n")
            sys.stdout.flush()
    sys.stdout.write(f"\n{run.compared} answers compared, {failures} differ; ORACLE_SEED={seed}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
