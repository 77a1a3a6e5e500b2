"""Compare an export with its ledger and with the source. Nothing is written."""

import asyncio
import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from server.export.day import DayRecord, DayStatus, Partition, PrintSource
from server.export.ledger import Ledger
from server.export.prints import DayPrints


@dataclass(slots=True)
class Verification:
    """The outcome: how many files were hashed, how many of them R1 or G1 tells the totals of, and what is wrong."""

    files: int = 0
    compared: int = 0
    problems: list[tuple[Partition | None, str]] = field(default_factory=list)


async def verify(
    ledger: Ledger, records: Iterable[DayRecord], prints: DayPrints | None, *, whole: bool
) -> Verification:
    """Compare files with their hashes, and closed days with what R1 and G1 tell now.

    `whole` says that these are all records, so that every other file in the folder is foreign.
    """
    records = sorted(records, key=lambda one: (one.entity, one.day))
    found = Verification()
    for record in records:
        if record.status is DayStatus.FAILED and record.error is not None:
            found.problems.append((record.partition, f"failed: {record.error.message} ({record.error.code})"))
        if record.sha256 is None:
            continue
        found.files += 1
        if (problem := await asyncio.to_thread(_damage, ledger, record)) is not None:
            found.problems.append((record.partition, problem))
    if whole:
        known = {record.path for record in records}
        strange = set(await asyncio.to_thread(ledger.files)) - known
        found.problems += [(None, f"{ledger.table}/{name} is not in the ledger") for name in sorted(strange)]
    if prints is not None:
        await _totals(found, [record for record in records if record.closed], prints)
    return found


def _damage(ledger: Ledger, record: DayRecord) -> str | None:
    digest = ledger.destination.sha256(f"{ledger.table}/{record.path}")
    if digest is None:
        return f"{record.path} is gone"
    return None if digest == record.sha256 else f"{record.path} is not what was written: its SHA-256 is {digest}"


async def _totals(found: Verification, records: Sequence[DayRecord], prints: DayPrints) -> None:
    """Compare closed days with the reports that tell their totals. The days of a group are read together."""
    dates: dict[PrintSource, list[datetime.date]] = {}
    for record in records:
        for one in record.prints:
            dates.setdefault(one.source, []).append(datetime.date.fromisoformat(record.day))
    taken = {source: (await prints.take([source], days))[source] for source, days in dates.items()}
    for record in records:
        for one in record.prints:
            now = taken[one.source].get(datetime.date.fromisoformat(record.day))
            if now is None:
                found.problems.append((record.partition, f"{one.report} cannot be read, so it is not compared"))
                continue
            found.compared += one.totals is not None
            if one.totals is not None and now.totals is not None and one.totals != now.totals:
                found.problems.append((record.partition, f"{one.report} differs: {_text(one.totals, now.totals)}"))
            elif one.value != now.value:
                found.problems.append((record.partition, f"{one.report} has changed since the day was read"))


def _text(mine: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    return ", ".join(
        f"{name} is {mine[name]} here and {theirs.get(name)} there" for name in mine if mine[name] != theirs.get(name)
    )
