"""Stop a server under load again and again, and count the requests that it loses.

Clients send requests without a pause, some on connections that they keep, some on a new connection for each request. A
request is lost if its connection was open, and no whole answer came. A connection that was refused is not a lost
request, and neither is one that the server closed after an answer with `Connection: close`.

    python benchmarks/restart_bench.py --stops 20 --drain 0
    python benchmarks/restart_bench.py --stops 20 --drain 2 --tls
    python benchmarks/restart_bench.py --workers 2 --stops 20    # rolling restarts: none may fail
"""

# ruff: noqa: T201

import argparse
import asyncio
import contextlib
import os
import random
import signal
import ssl
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import trustme

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.graph import NOON
from tests.served import launched
from tests.stand import Sandbox
from tests.tls import write_issuer, write_pair

BODY = orjson.dumps({"query": "{ group(id: 382) { id name } }"})
LINE = b"POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
REQUEST = LINE % len(BODY) + BODY
# Some requests come in two parts.
CUT = len(REQUEST) - 20


@dataclass
class Load:
    """The clients of one server, and what became of their requests."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    kinds: Counter[str] = field(default_factory=Counter)
    losses: list[str] = field(default_factory=list)
    going: bool = True

    async def client(self, number: int, keeps: bool) -> None:
        """Send requests until the load ends, or until the server is gone."""
        chance = random.Random(number)
        while self.going:
            try:
                reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
            except ConnectionRefusedError:
                self.kinds["refused"] += 1
                await asyncio.sleep(0.02)
                continue
            except (OSError, ssl.SSLError) as error:
                self.kinds["lost"] += 1
                self.losses.append(f"handshake: {error!r}")
                continue
            with contextlib.suppress(OSError):
                await self._use(reader, writer, chance, keeps)
            writer.close()

    async def _use(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random, keeps: bool
    ) -> None:
        """Send the requests of one connection."""
        sent = 0
        while self.going:
            if sent and reader.at_eof():
                self.kinds["closed while idle"] += 1
                return
            sent += 1
            try:
                if chance.random() < 0.2:
                    await asyncio.sleep(chance.random() * 0.05)
                    writer.write(REQUEST[:CUT])
                    await asyncio.sleep(chance.random() * 0.05)
                    writer.write(REQUEST[CUT:])
                else:
                    writer.write(REQUEST)
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                answer = orjson.loads(await reader.readexactly(int(length.partition(b":")[2])))
            except (OSError, asyncio.IncompleteReadError, ssl.SSLError) as error:
                self.kinds["lost"] += 1
                self.losses.append(f"request {sent} of its connection: {error!r}")
                return
            self.kinds["answered" if answer.get("data") else "failed"] += 1
            if b"connection: close" in head.lower() or not keeps:
                return


async def stop_once(address: str, pid: int, options: argparse.Namespace, load: Load) -> None:
    """Let clients work, stop the server, and let them work until it is gone."""
    clients = [asyncio.create_task(load.client(number, number % 2 == 0)) for number in range(options.clients)]
    await asyncio.sleep(0.7)
    os.kill(pid, signal.SIGTERM)
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.kill(pid, 0)
            await asyncio.sleep(0.02)
    load.going = False
    await asyncio.gather(*clients)


async def restart_rolling(pid: int, options: argparse.Namespace, load: Load, log: Path) -> None:
    """Let clients work while the workers are restarted."""
    clients = [asyncio.create_task(load.client(number, number % 2 == 0)) for number in range(options.clients)]
    for stop in range(options.stops):
        os.kill(pid, signal.SIGHUP)
        while (await asyncio.to_thread(log.read_text)).count("server.restarted") <= stop:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    load.going = False
    await asyncio.gather(*clients)


def main() -> None:
    """Run the stops of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stops", type=int, default=10)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--drain", type=float, default=0)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name, Sandbox(now=NOON) as sandbox:
        folder = Path(name)
        settings = {"GAMEHUB_URL": sandbox.gamehub_url, "GAMEHUB_TOKEN": sandbox.gamehub_token}
        settings |= {"DRAIN_SECONDS": str(options.drain), "KEYS_FILE": str(folder / "keys.sqlite")}
        tls = None
        if options.tls:
            authority = trustme.CA()
            chain, key = write_pair(folder, "server", authority.issue_cert("127.0.0.1"))
            settings |= {"TLS_CERT_FILE": str(chain), "TLS_KEY_FILE": str(key)}
            tls = ssl.create_default_context(cafile=write_issuer(folder / "issuer.crt", authority))
        rounds = options.stops if options.workers == 1 else 1
        for _ in range(rounds):
            log = folder / "log"
            if options.workers > 1:
                settings |= {"WORKERS": str(options.workers), "LOG_LEVEL": "info"}
            with launched(folder, log, **settings) as (address, process):
                parts = urlsplit(address)
                assert parts.hostname is not None
                assert parts.port is not None
                load = Load(parts.hostname, parts.port, tls)
                work = (
                    stop_once(address, process.pid, options, load)
                    if options.workers == 1
                    else restart_rolling(process.pid, options, load, log)
                )
                asyncio.run(work)
            total += load.kinds
            for loss in load.losses:
                print(loss)
    print(dict(sorted(total.items())))


if __name__ == "__main__":
    main()
