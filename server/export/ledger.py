"""The ledger of an export: its identity, a record for each day, and claims on the days that are being written.

    OUT/NAME/day=2026-02-01/part.parquet               the rows
    OUT/_ledger/NAME/identity.json                     the facts that are the same for all days
    OUT/_ledger/NAME/days/day=2026-02-01.json          the record of a day
    OUT/_ledger/NAME/claims/day=2026-02-01.1.json      a day that is being written, and by which process

It is beside the folder of the rows, because some readers take every file in a folder for rows. Each record is a file of
its own, so two runs never overwrite what the other has written about another day. A claim keeps two runs from writing
the same day at the same time. It has a number: a run that takes over the claim of a process that has ended creates the
next number, which only one run can do.
"""

import datetime
import os
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from server.export.day import DayRecord, Partition
from server.export.destination import Destination, gone
from server.export.identity import FolderIdentity

LEDGER = "_ledger"
IDENTITY = "identity.json"
FORMER = "_manifest.json"
LEASE = datetime.timedelta(minutes=10)
StoredT = TypeVar("StoredT", bound=msgspec.Struct)
_ME = secrets.token_hex(6)


class WrongExport(ValueError):
    """An export is impossible with these options. The text says why and what to do."""


class DamagedLedger(Exception):
    """A file of the ledger cannot be read. The text says which, and what to do."""


class Holder(msgspec.Struct, frozen=True):
    """The process that writes a day, and until when its claim is valid unless it is renewed."""

    host: str
    pid: int
    id: str
    until: datetime.datetime

    @property
    def ended(self) -> bool:
        """Return whether the claim is void: its process has ended, or did not renew it."""
        return self.until <= _now() or (self.id != _ME and gone(self.host, self.pid))

    @property
    def text(self) -> str:
        """Return the process as a person looks for it."""
        return f"process {self.pid} on {self.host}"


@dataclass(frozen=True, slots=True)
class DayClaim:
    """A claim of this process on a day."""

    partition: Partition
    number: int
    path: str


class Ledger:
    """The ledger of the export of one table."""

    def __init__(self, destination: Destination, table: str) -> None:
        self.destination = destination
        self.table = table
        self._folder = f"{LEDGER}/{table}"

    @property
    def unfinished(self) -> str:
        """Return the folder for files that are being written."""
        return f"{self._folder}/_writing"

    def open(self, identity: FolderIdentity, *, begin: bool = True) -> None:
        """Begin or continue the export. Without `begin`, it must exist, and nothing is written.

        Raises WrongExport if the folder holds something else, and DamagedLedger.
        """
        path = f"{self._folder}/{IDENTITY}"
        if begin:
            self.destination.clean(self.unfinished)
        content = self.destination.read(path)
        if content is None and not begin:
            raise WrongExport(f"{self.destination.address} holds no export of {self.table}")
        if content is None:
            self._refuse_foreign_files()
            if self.destination.create(path, _json(identity)):
                return
            content = self.destination.read(path) or b""
        known = self._decoded(path, content, FolderIdentity)
        if found := known.differences(identity):
            raise WrongExport(
                f"{self.destination.address} holds an export of {self.table} that differs: {'; '.join(found)}. Choose "
                "another --out, or remove that export"
            )

    def records(self) -> dict[Partition, DayRecord]:
        """Return the records of all days. Raises DamagedLedger."""
        folder = f"{self._folder}/days"
        paths = [f"{folder}/{name}" for name in self.destination.names(folder) if name.endswith(".json")]
        found = (
            self._decoded(path, content, DayRecord)
            for path, content in self.destination.read_all(sorted(paths)).items()
        )
        return {record.partition: record for record in found}

    def record(self, partition: Partition) -> DayRecord | None:
        """Return the record of one day. Raises DamagedLedger."""
        path = self._record_path(partition)
        content = self.destination.read(path)
        return None if content is None else self._decoded(path, content, DayRecord)

    def write(self, record: DayRecord) -> None:
        """Write the record of a day. An earlier one is replaced."""
        self.destination.write(self._record_path(record.partition), _json(record))

    def files(self) -> dict[str, int]:
        """Return the files in the folder of the rows, with their sizes."""
        return self.destination.names(self.table)

    def interrupted(self) -> set[Partition]:
        """Return the days with a claim of a process that has ended: their file may be newer than their record."""
        found = set()
        for partition, claims in self._claims(self.destination.names(f"{self._folder}/claims")).items():
            holder = self._holder(self._claim_path(partition, max(claims)))
            if holder is None or holder.ended:
                found.add(partition)
        return found

    def claim(self, partition: Partition) -> DayClaim | Holder:
        """Claim a day. Return the process that holds it, if it is another one."""
        folder, _, prefix = self._claim_path(partition, 0).removesuffix(".0.json").rpartition("/")
        names = self.destination.names(folder)
        numbers = [int(name.rsplit(".", 2)[1]) for name in names if _is_claim_of(name, prefix)]
        number = max(numbers, default=0)
        if number:
            holder = self._holder(self._claim_path(partition, number))
            if holder is not None and not holder.ended:
                return holder
        path = self._claim_path(partition, number + 1)
        if self.destination.create(path, _json(_me())):
            return DayClaim(partition, number + 1, path)
        return self._holder(path) or Holder("another machine", 0, "", _now() + LEASE)

    def renew(self, claims: Iterable[DayClaim]) -> None:
        """Extend claims: their days take longer than usual."""
        for claim in claims:
            self.destination.write(claim.path, _json(_me()))

    def release(self, claim: DayClaim) -> None:
        """End a claim, and those before it."""
        for number in range(max(1, claim.number - 3), claim.number + 1):
            self.destination.remove(self._claim_path(claim.partition, number))

    def _refuse_foreign_files(self) -> None:
        files = self.files()
        if FORMER in files:
            raise WrongExport(
                f"{self.destination.address}/{self.table} was written by an earlier version, whose manifest says "
                "neither its time zone nor its upstream: choose another --out, or remove this folder"
            )
        if files:
            raise WrongExport(
                f"{self.destination.address}/{self.table} holds {len(files)} files and has no ledger: choose another "
                "--out, or remove this folder"
            )

    def _claims(self, names: Iterable[str]) -> dict[Partition, list[int]]:
        found: dict[Partition, list[int]] = {}
        for name in names:
            place, number, _ = name.rsplit(".", 2)
            found.setdefault(_partition(place), []).append(int(number))
        return found

    def _holder(self, path: str) -> Holder | None:
        content = self.destination.read(path)
        try:
            return None if content is None else msgspec.json.decode(content, type=Holder)
        except msgspec.DecodeError:
            return None if content else Holder("another machine", 0, "", _now() + LEASE)

    def _record_path(self, partition: Partition) -> str:
        return f"{self._folder}/days/{partition.name}.json"

    def _claim_path(self, partition: Partition, number: int) -> str:
        return f"{self._folder}/claims/{partition.name}.{number}.json"

    def _decoded(self, path: str, content: bytes, kind: type[StoredT]) -> StoredT:
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as error:
            consequence = "and its day is read again" if kind is DayRecord else "with the whole export"
            raise DamagedLedger(
                f"{self.destination.address}/{path} is damaged ({error}): remove it, {consequence}"
            ) from None


def _is_claim_of(name: str, prefix: str) -> bool:
    return name.startswith(f"{prefix}.") and name.count("/") == 0 and name.endswith(".json")


def _partition(place: str) -> Partition:
    entity, _, day = place.rpartition("/")
    if day.startswith("day="):
        return Partition(entity, day.removeprefix("day="))
    return Partition("" if place == "all" else place, "all")


def _me() -> Holder:
    return Holder(socket.gethostname(), os.getpid(), _ME, _now() + LEASE)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _json(content: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"
