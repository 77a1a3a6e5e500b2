"""The product and the oracle answer the same random documents, under random settings, without a difference."""

from pathlib import Path

from tests.oracle.runner import Run
from tests.oracle.stand import stands
from tests.upstream.redis_server import RedisServer

SEED = "2026-11-28"
DOCUMENTS = 320


def test_the_product_answers_as_the_oracle_does(tmp_path: Path) -> None:
    run = Run(SEED, DOCUMENTS)
    with RedisServer(tmp_path) as redis, stands(redis.url) as shared:
        failures = list(run.over(shared))
    assert not failures, str(failures[0])
    assert run.compared >= DOCUMENTS
