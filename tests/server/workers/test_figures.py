"""The sum of the figures of several processes."""

import os
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client import Gauge as ClientGauge
from prometheus_client.parser import text_string_to_metric_families

from server.metrics.families import Merge, gauge
from server.workers import figures
from server.workers.figures import WorkerFigures, bury, ended_in


class Gauges:
    """A gauge of each way to merge."""

    def __init__(self) -> None:
        self.values = dict.fromkeys(Merge, 0.0)

    def collect(self) -> Iterator[Metric]:
        for merge, value in self.values.items():
            yield gauge(str(merge), "A gauge.", ["of"], {("a",): value}, merge)


class Process:
    """The figures of one process."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("requests", "Requests.", ["path"], registry=self.registry)
        self.running = ClientGauge("running", "Running.", registry=self.registry)
        self.seconds = Histogram("seconds", "Seconds.", buckets=(1, 2), registry=self.registry)
        self.gauges = Gauges()
        self.registry.register(self.gauges)
        self.figures = WorkerFigures(folder)
        self.figures._own = pid

    async def shown(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Return what a scrape that reaches this process shows."""
        text = (await self.figures.exposition(self.registry)).decode()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@pytest.mark.parametrize("name", ["short", "long" * 40])
async def test_every_process_shows_the_same_sums(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    one, two = Process(folder, 1), Process(folder, 2)
    one.requests.labels("/a").inc(3)
    two.requests.labels("/a").inc(4)
    two.requests.labels("/b").inc()
    one.running.set(2)
    two.running.set(5)
    one.gauges.values = {Merge.SUM: 100, Merge.LARGEST: 100, Merge.LEAST: 100}
    two.gauges.values = {Merge.SUM: 30, Merge.LARGEST: 30, Merge.LEAST: 30}
    one.seconds.observe(0.5)
    two.seconds.observe(1.5)
    async with AsyncExitStack() as stack:
        for process in (one, two):
            await stack.enter_async_context(process.figures.open(process.registry))
        found, other = await one.shown(), await two.shown()
    created = {key for key in found if key[0].endswith("_created")}
    assert {key: found[key] for key in found.keys() - created} == {
        ("requests_total", (("path", "/a"),)): 7,
        ("requests_total", (("path", "/b"),)): 1,
        ("running", ()): 7,
        ("gamehub_graph_sum", (("of", "a"),)): 130,
        ("gamehub_graph_largest", (("of", "a"),)): 100,
        ("gamehub_graph_least", (("of", "a"),)): 30,
        ("seconds_bucket", (("le", "1.0"),)): 1,
        ("seconds_bucket", (("le", "2.0"),)): 2,
        ("seconds_bucket", (("le", "+Inf"),)): 2,
        ("seconds_count", ()): 2,
        ("seconds_sum", ()): 2,
        ("gamehub_graph_workers", ()): 2,
    }
    assert found == other


async def test_a_counter_never_falls_when_a_process_is_killed(tmp_path: Path) -> None:
    living = Process(tmp_path, os.getpid())
    async with living.figures.open(living.registry):
        for pid in (11, 12, 13):
            killed = Process(tmp_path, pid)
            async with killed.figures.open(killed.registry):
                killed.requests.labels("/a").inc(5)
                killed.running.set(1)
                before = await living.shown()
                assert before["running", ()] == 1
                (tmp_path / f"{pid}.sock").rename(
                    tmp_path / "kept"
                )  # so it does not answer any longer, as if it was killed
                assert (await living.shown())["requests_total", (("path", "/a"),)] == 5 * (pid - 10)
                bury(tmp_path, pid)
                after = await living.shown()
            (tmp_path / f"{pid}.figures").unlink()
            assert after["requests_total", (("path", "/a"),)] == 5 * (pid - 10)
            assert after["running", ()] == 0
    assert ended_in(tmp_path).of == [11, 12, 13]


async def test_a_silent_process_does_not_stop_a_scrape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "SECONDS", 0.05)
    one, silent = Process(tmp_path, 1), Process(tmp_path, 2)
    silent.requests.labels("/a").inc(5)
    async with one.figures.open(one.registry), silent.figures.open(silent.registry):
        await one.shown()
        silent.requests.labels("/a").inc(5)
        (tmp_path / "2.sock").unlink()
        with socket.socket(socket.AF_UNIX) as hanging:
            hanging.bind(str(tmp_path / "2.sock"))
            hanging.listen()
            assert (await one.shown())["requests_total", (("path", "/a"),)] == 5  # its last known figures
