"""Exports into an object store: S3, as moto's server plays it."""

import os
from pathlib import Path

import boto3
import msgspec
import pytest

from server.export.day import DayRecord, Partition
from server.export.destination import Destination, DestinationFailed
from server.export.ledger import Holder, Ledger
from tests.server.export.test_export import Lending, job, window
from tests.server.export.test_export_command import DAYS, GROUP, command
from tests.server.object_store import endpoint, objects
from tests.stand import Sandbox

__all__ = ["endpoint"]

SPAN = window("2026-03-01", "2026-03-06")


async def test_days_and_their_records_are_objects(endpoint: str) -> None:
    broken = Lending("2026-03-03")
    for lending, failures in ((broken, 1), (Lending(), 0), (Lending(), 0)):
        work = job("s3://lake/bingo", lending, SPAN)
        work.open()
        result = await work.run(await work.plan())
        assert len(result.failed) == failures
        assert result.stopped is None
    assert lending.days == []
    days = [f"day=2026-03-{day:02}" for day in range(1, 6)]
    found = objects("bingo")
    assert sorted(found) == sorted(
        [f"Loans/{day}/part.csv" for day in days]
        + [f"_ledger/Loans/days/{day}.json" for day in days]
        + ["_ledger/Loans/identity.json"]
    )
    records = [msgspec.json.decode(found[f"_ledger/Loans/days/{day}.json"], type=DayRecord) for day in days]
    assert [record.status.value for record in records] == ["closed"] * 5
    assert found["Loans/day=2026-03-03/part.csv"] == b"id,price\r\n2026-03-03,3.50\r\n"
    assert (await work.verify(None)).problems == []


def test_a_claim_is_exclusive(endpoint: str) -> None:
    one, other = (Ledger(Destination("s3://lake/claims"), "Loans") for _ in range(2))
    partition = Partition("group=382", "2026-03-01")
    claim = one.claim(partition)
    assert not isinstance(claim, Holder)
    held = other.claim(partition)
    assert isinstance(held, Holder)
    assert held.pid == os.getpid()
    one.release(claim)
    assert not isinstance(other.claim(partition), Holder)
    assert other.interrupted() == set()


def test_a_misspelt_bucket_is_one_line_and_is_not_created(endpoint: str) -> None:
    work = job("s3://lakee/bingo", Lending(), SPAN)
    with pytest.raises(DestinationFailed, match=r"^s3://lakee/bingo cannot be read: there is no such bucket") as failed:
        work.open()
    assert "\n" not in str(failed.value)
    assert [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]] == ["lake"]


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"},
            "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        ),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "Could not connect to the endpoint URL"),
    ],
)
def test_an_object_store_out_of_reach_is_one_line(
    endpoint: str, sandbox: Sandbox, tmp_path: Path, environment: dict[str, str], says: str
) -> None:
    more = {"HOME": str(tmp_path), "AWS_MAX_ATTEMPTS": "1", **environment}
    done = command(sandbox, tmp_path, *GROUP, *DAYS, "--out", "s3://lake/x", **more)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "s3://lake/x cannot be read: " in line
    assert says in line
