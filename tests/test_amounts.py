"""Random amounts through the whole path, digit for digit: upstream, decoder, graph, JSON, CSV and Parquet."""

import random
from pathlib import Path

from tests.amounts import amounts, as_answered, wire


def test_what_is_sent_is_of_every_kind() -> None:
    chance = random.Random(7)
    sent = [wire(chance, 40, 40) for _ in range(20_000)]
    texts = [one.strip('"') for one in sent]
    assert all(0.3 < share < 0.7 for share in (sum(one.startswith('"') for one in sent) / len(sent),))
    assert sum(text.startswith("-") for text in texts) > 5000
    assert sum(text.lstrip("-").startswith("00") for text in texts) > 1000
    assert {len(text.partition(".")[2]) for text in texts} == set(range(41))
    assert max(map(len, texts)) > 75
    assert [as_answered(one) for one in ('"-0.0"', "12", '"007.10"', "-0.125", '"1.100"')] == [
        *("0.00", "12.00", "7.10", "-0.125", "1.100"),
    ]


async def test_every_digit_comes_out(tmp_path: Path) -> None:
    async with amounts(tmp_path, size=10_000) as passage:
        wrong = await passage.check(0)
    assert wrong == []
    assert passage.compared == 20_000
