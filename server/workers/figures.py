"""The sum of the figures of all workers. A request for `/metrics` reaches one of them, which asks the others.

Each worker listens on a unix socket in the private folder of the supervisor. Before a worker shows its figures to
anybody, it writes them into a file. So a counter never falls when a worker ends or is killed: the supervisor adds the
counters of the file to those of all workers that have ended.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from operator import add
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import generate_latest

from server.metrics.families import PREFIX, Merge, merge_of
from upstream import private

SECONDS = 2.0  # for the answer of a worker
WORKERS = f"{PREFIX}workers"
_TRIES = 5
_LONG_FOLDER = 80
_ENDED = "ended"
_FILE, _SOCKET = ".figures", ".sock"
# The kinds of figures that only rise. Those of a worker that has ended still count.
_RISING = frozenset({"counter", "histogram", "summary"})
_MERGED: dict[Merge, Callable[[float, float], float]] = {Merge.SUM: add, Merge.LARGEST: max, Merge.LEAST: min}


class FigureSample(msgspec.Struct, array_like=True):
    """One number: its name, its labels and its value."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


class FigureFamily(msgspec.Struct, array_like=True):
    """The samples of one metric, and how those of several workers are merged."""

    name: str
    documentation: str
    kind: str
    merge: Merge
    samples: list[FigureSample]


class FigureSnapshot(msgspec.Struct, array_like=True):
    """The figures of one process; in the file of the ended workers, the sum of theirs, and their process ids."""

    families: list[FigureFamily]
    of: list[int]


_decoder = msgspec.msgpack.Decoder(FigureSnapshot)


class WorkerFigures:
    """The figures of one worker and its siblings."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = os.getpid()
        self._near = folder
        if len(os.fsencode(folder)) > _LONG_FOLDER:
            # The name of a socket has 107 bytes at most. This short name of the folder ends with the process.
            self._near = Path(f"/proc/self/fd/{os.open(folder, os.O_RDONLY | os.O_DIRECTORY)}")

    @asynccontextmanager
    async def open(self, registry: CollectorRegistry) -> AsyncIterator[None]:
        """Answer the siblings inside the block, and leave the last figures at its end."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                writer.write(self._written(registry))
                await writer.drain()
            writer.close()

        path = self._near / f"{self._own}{_SOCKET}"
        server = await asyncio.start_unix_server(answer, path)
        self._written(registry)
        try:
            yield
        finally:
            server.close()
            path.unlink(missing_ok=True)
            self._written(registry)

    async def exposition(self, registry: CollectorRegistry) -> bytes:
        """Return the sums, in the text format of Prometheus."""
        snapshots = await self._snapshots(registry)
        living = FigureSample(WORKERS, (), len(snapshots) - 1)
        family = FigureFamily(WORKERS, "Workers of this server that live.", "gauge", Merge.SUM, [living])
        return generate_latest(_Summed([*merged(snapshots), family]))

    def _written(self, registry: CollectorRegistry) -> bytes:
        """Return the figures of this process, which are in its file from now on."""
        content = msgspec.msgpack.encode(FigureSnapshot(families_of(registry.collect()), [self._own]))
        _write(self._folder / f"{self._own}{_FILE}", content)
        return content

    async def _snapshots(self, registry: CollectorRegistry) -> list[FigureSnapshot]:
        """Return the figures of all workers. The supervisor may move those of a dead one meanwhile; then look again."""
        own = _decoder.decode(self._written(registry))
        for _ in range(_TRIES):
            ended = ended_in(self._folder)
            pids = [int(path.stem) for path in self._folder.glob(f"*{_FILE}")]
            others = await asyncio.gather(*(self._ask(pid) for pid in pids if pid not in (self._own, *ended.of)))
            if ended_in(self._folder).of == ended.of:
                break
        return [ended, own, *(one for one in others if one is not None)]

    async def _ask(self, pid: int) -> FigureSnapshot | None:
        """Return the figures of a sibling. One that does not answer has its last ones."""
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._near / f"{pid}{_SOCKET}")
                with closing(writer):
                    return _decoder.decode(await reader.read())
        except (OSError, TimeoutError, msgspec.MsgspecError):
            return _read(self._folder / f"{pid}{_FILE}")


def bury(folder: Path, pid: int) -> None:
    """Add the counters of a worker that has ended to those of all that have, and remove its files."""
    path = folder / f"{pid}{_FILE}"
    last = _read(path)
    if last is not None:
        ended = ended_in(folder)
        rising = [family for family in last.families if family.kind in _RISING]
        families = merged([ended, FigureSnapshot(rising, [])])
        _write(folder / _ENDED, msgspec.msgpack.encode(FigureSnapshot(families, [*ended.of, pid])))
        path.unlink(missing_ok=True)
    (folder / f"{pid}{_SOCKET}").unlink(missing_ok=True)


def ended_in(folder: Path) -> FigureSnapshot:
    """Return the figures of the workers that have ended."""
    return _read(folder / _ENDED) or FigureSnapshot([], [])


def families_of(metrics: Iterable[Metric]) -> list[FigureFamily]:
    """Return the figures of a registry."""
    return [
        FigureFamily(
            metric.name,
            metric.documentation,
            metric.type,
            merge_of(metric),
            [FigureSample(one.name, tuple(sorted(one.labels.items())), float(one.value)) for one in metric.samples],
        )
        for metric in metrics
    ]


def merged(snapshots: Sequence[FigureSnapshot]) -> list[FigureFamily]:
    """Return one value for each name and its labels, as the metric states it: mostly the sum."""
    found: dict[str, tuple[FigureFamily, dict[tuple[str, tuple[tuple[str, str], ...]], float]]] = {}
    for snapshot in snapshots:
        for family in snapshot.families:
            _, values = found.setdefault(family.name, (family, {}))
            merge = _MERGED[family.merge]
            for sample in family.samples:
                key = (sample.name, sample.labels)
                values[key] = merge(values[key], sample.value) if key in values else sample.value
    return [
        FigureFamily(
            family.name,
            family.documentation,
            family.kind,
            family.merge,
            [FigureSample(name, labels, value) for (name, labels), value in values.items()],
        )
        for family, values in found.values()
    ]


class _Summed:
    """A registry of figures that are known already."""

    def __init__(self, families: Iterable[FigureFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Return the figures."""
        for family in self._families:
            metric = Metric(family.name, family.documentation, family.kind)
            for sample in family.samples:
                metric.add_sample(sample.name, dict(sample.labels), sample.value)
            yield metric


def _read(path: Path) -> FigureSnapshot | None:
    try:
        return _decoder.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None


def _write(path: Path, content: bytes) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with open(new, "wb", opener=private.opener) as file:
        file.write(content)
    new.rename(path)
