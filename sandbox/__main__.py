"""`python -m sandbox`: build the world if it is missing, and serve both upstream systems until stopped.

Exit codes: 0 stopped by a signal or by its input, 1 the world's file or the address cannot be used, 2 a wrong option.
"""

import os
import socket
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
import typer
import uvicorn
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sandbox.app import Sandbox, app
from sandbox.clock import EPOCH, Clock, parse_instant
from sandbox.faults import KINDS, FaultError, parse
from sandbox.people import FIRST_LOCAL, FIRST_USER
from sandbox.store import SandboxStore, WorldFileError
from sandbox.tokens import AGENT, AGENT_TOKEN, TOKEN
from sandbox.world import World

FAULT_HELP = (
    "What goes wrong: KIND, then if need be =VALUE, @REPORT and *TIMES, as in slow=2@transaction_report*3. May be "
    f"given again. Kinds: {', '.join(KINDS)}."
)


# Typer makes an option of every parameter, so there are as many as options.
def main(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8900,
    users: Annotated[int, typer.Option(min=1, max=100_000, help="How many users the world has.")] = 60,
    days: Annotated[int, typer.Option(min=1, max=3660, help="How many days of history, today included.")] = 30,
    rooms: Annotated[int, typer.Option(min=1, max=100, help="How many bingo rooms.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same world.")] = 7,
    database: Annotated[
        Path | None, typer.Option(help="File that holds the world; without it, one in the user's cache folder.")
    ] = None,
    timezone: Annotated[str, typer.Option(help="GameHub's time zone.")] = "UTC",
    log_timezone: Annotated[str, typer.Option(help="Game History's time zone, for start and end.")] = "UTC",
    now: Annotated[str | None, typer.Option(help="Stop the clock at this ISO 8601 instant.")] = None,
    fault: Annotated[list[str] | None, typer.Option(help=FAULT_HELP)] = None,
    latency: Annotated[float, typer.Option(min=0, help="Seconds by which every answer is late.")] = 0,
    announce: Annotated[bool, typer.Option("--announce", help="Print one line of JSON once it listens.")] = False,
    stop_with_stdin: Annotated[
        bool, typer.Option("--stop-with-stdin", help="Stop when standard input ends, and so with the parent process.")
    ] = False,
) -> None:
    """Serve GameHub and Game History from a simulated bingo business.

    The world is built on the first start, stored in a file, and extended to today on later ones.
    """
    zone, log_zone = _zone(timezone, "--timezone"), _zone(log_timezone, "--log-timezone")
    clock = Clock(zone, _instant(now, zone))
    if clock.today().year < EPOCH.year + 1 or clock.today().year > 9000:
        raise typer.BadParameter(f"the world begins in {EPOCH.year + 1}", param_hint="--now")
    world = World(seed, users, rooms, days, clock)
    out = Console(stderr=True)
    listener = _listen(host, port)
    try:
        store = SandboxStore(database or _cache(world), world)
        _build(store, out)
    except WorldFileError as error:
        raise SystemExit(f"sandbox: {error}") from error
    sandbox = Sandbox(store, log_zone, latency)
    try:
        for spec in fault or ():
            sandbox.faults.add(parse(spec))
    except FaultError as error:
        raise typer.BadParameter(str(error), param_hint="--fault") from error

    address = listener.getsockname()
    place = Placement(
        f"http://{f'[{address[0]}]' if ':' in address[0] else address[0]}:{address[1]}", timezone, log_timezone
    )
    config = uvicorn.Config(
        app(sandbox),
        log_level="warning",
        access_log=False,  # its lines would carry the tokens
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = _SandboxServer(config, place.announcement() if announce else place.greeting(world))
    if stop_with_stdin:
        threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        out.print("Stopped.")
    finally:
        store.close()


@dataclass(frozen=True)
class Placement:
    """Where a client finds the sandbox: its origin, and the time zones of both systems."""

    origin: str
    timezone: str
    log_timezone: str

    def announcement(self) -> str:
        """Return one line of JSON for programs."""
        return orjson.dumps(
            {
                "gamehub_url": f"{self.origin}/api/v1/",
                "gamehub_token": TOKEN,
                "gamelog_url": f"{self.origin}/gamelog",
                "agent_code": AGENT,
                "agent_token": AGENT_TOKEN,
                "timezone": self.timezone,
                "log_timezone": self.log_timezone,
            }
        ).decode()

    def greeting(self, world: World) -> str:
        """Return the text for people, with calls to try."""
        reports = f"{self.origin}/api/v1/reports/?api_token={TOKEN}&report_type"
        today = world.clock.today()
        clock = "runs" if world.clock.frozen is None else "stands still"
        log = {
            "method": "get_game_log",
            "agent_code": AGENT,
            "agent_token": AGENT_TOKEN,
            "game_type": "slot",
            "start": f"{today} 00:00:00",
            "end": f"{today} 23:59:59",
            "page": 0,
            "perPage": 10,
        }
        return f"""GameHub and Game History of a world of {world.users} users, {world.days} days, seed {world.seed}.

  GameHub        {self.origin}/api/v1/   token {TOKEN} ({TOKEN}-es answers in Spanish)
  Game History   {self.origin}/gamelog   agent {AGENT}, token {AGENT_TOKEN}
  Time           {world.clock.local(world.clock.now())} {self.timezone}, the clock {clock}

Try, for group {FIRST_LOCAL}, the largest, its first user {FIRST_USER}, and room 1:

  curl '{reports}=api_users_report&fkgroup={FIRST_LOCAL}'
  curl '{reports}=transaction_report&user_id={FIRST_USER}&timestamp=today&per_page=10'
  curl '{reports}=api_selling_and_preselling_games_report&bs_room_id=1&starts_at=today'
  curl '{self.origin}/gamelog' -H 'content-type: application/json' -d '{orjson.dumps(log).decode()}'

Ctrl-C stops it."""


class _SandboxServer(uvicorn.Server):
    """A server that prints its line when it listens."""

    def __init__(self, config: uvicorn.Config, line: str) -> None:
        super().__init__(config)
        self.line = line

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(self.line + "\n")
        sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A call that hangs on purpose would delay the end. Do not wait for it.
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await super().shutdown(sockets)


def _stop_at_end_of_input(server: uvicorn.Server) -> None:
    # Read the descriptor itself: a thread that holds the lock of sys.stdin would delay the interpreter's exit.
    while os.read(0, 4096):
        pass
    server.should_exit = True


def _zone(name: str, option: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise typer.BadParameter(f"{name!r} is not a time zone", param_hint=option) from error


def _instant(now: str | None, zone: ZoneInfo) -> int | None:
    try:
        return None if now is None else parse_instant(now, zone)
    except ValueError as error:
        raise typer.BadParameter(f"{now!r} is not an ISO 8601 instant", param_hint="--now") from error


def _listen(host: str, port: int) -> socket.socket:
    """Take the address first: if that fails, no time is spent on a world that cannot be served."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise SystemExit(f"sandbox: cannot listen on {host}:{port}: {error.strerror or error}") from error
    return listener


def _cache(world: World) -> Path:
    """Return the world's file. A frozen clock has its own file, so that no two processes move one file to different
    days.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gamehub-graph"
    name = f"sandbox-{world.seed}-{world.users}-{world.room_count}-{world.days}"
    zone = str(world.clock.timezone).replace("/", "-")
    frozen = "" if world.clock.frozen is None else f"-{world.clock.today()}"
    return folder / f"{name}-{zone}{frozen}.sqlite"


def _build(store: SandboxStore, out: Console) -> None:
    rebuilt = store.prepare()
    if rebuilt:
        out.print(f"The world is built anew: {rebuilt}.")
    columns = (
        TextColumn("Building the world"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} days, {task.fields[rows]} rows"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task("", total=None, rows=0, visible=False)
        store.reach(lambda rows, done, of: bar.update(task, completed=done, total=of, rows=f"{rows:,}", visible=True))
    if store.world.clock.frozen is None:
        store.trim()


if __name__ == "__main__":
    typer.run(main)
