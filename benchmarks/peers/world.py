"""What the upstreams answer: bodies recorded from the sandbox, and worlds of any size made of their rows.

A world is a group of so many users on a day of its own, with twenty transactions and twenty game logs a user.
"""

import datetime
import functools
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.stand import Sandbox

A_USER = 20
LAST_DAY = datetime.date(2026, 3, 14)
MOST_WORLDS = 400  # of one size: operations that must not share a call ask for a world of their own
SIZES = (50, 500, 2_000, 8_000)
GAMEHUB_PATH, GAMELOG_PATH = "/api/v1/reports/", "/gamelog"
TOKEN, AGENT, AGENT_TOKEN = "token", "sandbox-agent", "agent-token"


@dataclass(frozen=True, slots=True)
class World:
    """One group and one day."""

    size: int
    number: int

    @property
    def group(self) -> int:
        return 10_000 * (1 + SIZES.index(self.size)) + self.number

    @property
    def day(self) -> datetime.date:
        return LAST_DAY - datetime.timedelta(days=MOST_WORLDS * SIZES.index(self.size) + self.number)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The envelopes and rows of the four calls, as the sandbox answered them."""

    groups: dict[str, Any]
    users: dict[str, Any]
    movements: dict[str, Any]
    logs: dict[str, Any]


def written(body: Any) -> bytes:
    """A body as the sandbox writes it."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def record() -> Recorded:
    """Ask a sandbox with a frozen clock. What `written` makes of its rows are its own bytes, or it raises."""
    day = LAST_DAY.isoformat()
    frame = {"timestamp": "range", "timestamp_range_from": day, "timestamp_range_to": day}
    with Sandbox(users=60, days=2) as sandbox, httpx.Client(trust_env=False) as client:

        def report(kind: str, **params: Any) -> httpx.Response:
            parameters = {"api_token": sandbox.gamehub_token, "report_type": kind, **params}
            return client.get(f"{sandbox.gamehub_url}reports/", params=parameters)

        agent = {"agent_code": sandbox.agent_code, "agent_token": sandbox.agent_token}
        span = {"start": f"{day} 00:00:00", "end": f"{day} 23:59:59", "page": 0, "perPage": 10_000}
        answers = (
            report("api_groups_report", id=382),
            report("api_users_report", fkgroup=382),
            report("api_retail_movements", group_id=382, **frame),
            client.post(sandbox.gamelog_url, json={"method": "get_game_log", **agent, "game_type": "slot", **span}),
        )
    for answer in answers:
        answer.raise_for_status()
        if written(answer.json()) != answer.content:
            raise AssertionError(f"the sandbox writes otherwise: {answer.content[:200]!r}")
    return Recorded(*(answer.json() for answer in answers))


class Bodies:
    """The body of every call that a world's questions make."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._worlds = {world.group: world for size in SIZES for world in worlds(size)}
        self._days = {world.day.isoformat(): world for world in self._worlds.values()}
        self._first_movements = functools.cache(self._movements)
        self._first_logs = functools.cache(self._logs)

    def world(self, group: int) -> World:
        """The world of a group."""
        return self._worlds[group]

    def world_of(self, day: str) -> World:
        """The world of a day."""
        return self._days[day]

    def group(self, world: World) -> bytes:
        """R8."""
        (row,) = self._recorded.groups["report"]
        return written(self._recorded.groups | {"report": [row | _group(world)]})

    def users(self, world: World) -> bytes:
        """R9."""
        rows = [
            self._template("users", number)
            | {"id": user, "external_user_id": 4_588 + number, "username": name, "group_id": world.group}
            | {"external_group_id": world.group}
            for number, (user, name) in enumerate(self._people(world))
        ]
        return written(self._recorded.users | {"report": rows})

    def movements(self, world: World) -> bytes:
        """R5: what the first world of the size has, at other times and in another group."""
        first = World(world.size, 0)
        later = int((world.day - first.day).total_seconds())
        body = self._first_movements(first).replace(b'group_id":%d,' % first.group, b'group_id":%d,' % world.group)
        return re.sub(rb'(?<="timestamp":)\d+', lambda found: b"%d" % (int(found[0]) + later), body)

    def logs(self, world: World, page: int, size: int) -> bytes:
        """G1: what the first world of the size has, on another day."""
        first = World(world.size, 0)
        day, other = (f'"created_at":"{each.day.isoformat()}T'.encode() for each in (first, world))
        return self._first_logs(first, page, size).replace(day, other)

    def _movements(self, world: World) -> bytes:
        return written(
            self._recorded.movements | {"report": list(reversed(self._rows(world, "movements", self._moved)))}
        )

    def _logs(self, world: World, page: int, size: int) -> bytes:
        rows = self._log_rows(world)
        found = rows[page * size : (page + 1) * size]
        logs = self._recorded.logs
        return written(logs | {"total_count": len(rows), "page": page, "perPage": size, "slot": found})

    @functools.lru_cache(maxsize=2)  # noqa: B019  # one run makes one
    def _log_rows(self, world: World) -> list[dict[str, Any]]:
        return self._rows(world, "logs", self._logged)

    def _rows(self, world: World, kind: str, row: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
        """So many rows a user, spread over the day, oldest first."""
        people = [person for person in self._people(world) for _ in range(A_USER)]
        random.Random(f"{kind} {world.size}").shuffle(people)
        midnight = datetime.datetime.combine(world.day, datetime.time(), datetime.UTC)
        step = 86_400 / len(people)
        return [
            row(
                self._template(kind, number),
                world,
                956_000_000 + number,
                person,
                midnight + datetime.timedelta(seconds=int(number * step)),
            )
            for number, person in enumerate(people)
        ]

    @staticmethod
    def _moved(
        template: dict[str, Any], world: World, id: int, person: tuple[int, str], at: datetime.datetime
    ) -> dict[str, Any]:
        row = {"movement_id": id, "timestamp": int(at.timestamp()), "group_id": world.group}
        row |= {"external_group_id": world.group, "user_id": person[0], "username": person[1]}
        return template | row

    @staticmethod
    def _logged(
        template: dict[str, Any], world: World, id: int, person: tuple[int, str], at: datetime.datetime
    ) -> dict[str, Any]:
        row = {"history_id": id, "user_code": person[1], "txn_id": f"{id:032x}"}
        return template | row | {"created_at": f"{at:%Y-%m-%dT%H:%M:%S}.000Z"}

    def _template(self, kind: str, number: int) -> dict[str, Any]:
        rows: list[dict[str, Any]] = getattr(self._recorded, kind)["slot" if kind == "logs" else "report"]
        return rows[number % len(rows)]

    def _people(self, world: World) -> list[tuple[int, str]]:
        """Ids and names. Names are the recorded ones, with a number from the second time on."""
        recorded = self._recorded.users["report"]
        found = []
        for number in range(world.size):
            again, place = divmod(number, len(recorded))
            found.append((2_001 + number, recorded[place]["username"] + (str(again + 1) if again else "")))
        return found


def worlds(size: int, count: int = MOST_WORLDS) -> list[World]:
    """Worlds of one size."""
    return [World(size, number) for number in range(count)]


def _group(world: World) -> dict[str, Any]:
    return {"id": world.group, "external_group_id": world.group}
