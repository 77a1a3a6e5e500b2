"""The product over one of the oracle's businesses: real HTTP, cache and engine, at a fixed time."""

import contextlib
import json
import random
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from resolvers.caller import Caller
from schema import graph
from server.auth.authenticator import Authenticator
from server.auth.key_file import KeyFile
from server.auth.keys import Keys
from server.execution.operation import Operation
from server.gateway import Gateway
from server.settings.live import LiveSettings
from server.settings.settings import Settings
from tests.oracle.business import ADMIN, AGENT_OF_GROUP, NORTH, NOW, ZONES, build
from tests.oracle.documents import FOCUS
from tests.oracle.evaluator import View
from tests.oracle.upstreams import AGENT_TOKENS, TOKEN, System, Upstreams
from tests.server.application import application
from tests.server.serving import serving

# Callers who see all groups, some groups, one group, and a group that does not exist.
AUDIENCES: tuple[frozenset[int] | None, ...] = (
    None,
    frozenset({100, 110}),
    frozenset({101}),
    frozenset({1, 10, 11, 100, 101, 111, 200, 201}),
    frozenset({201, 110}),
)


@dataclass(frozen=True)
class Choice:
    """The settings of one stand, all drawn from its seed."""

    seed: str
    zone: str
    log_zone: str
    business_zone: str
    compiled: bool
    cache: str
    join: str
    roam: bool
    loose: bool
    exact: bool
    texts: bool
    numbers: bool
    empty: str
    code_from: str
    agents: bool
    focus: str
    failing: int
    avoid: frozenset[str]


def draw(seed: str, avoid: frozenset[str]) -> Choice:
    """The settings of a seed. `avoid` names the kinds that are left out."""
    chance = random.Random(seed)
    zone = chance.choice(ZONES)
    business = zone if chance.random() < 0.4 or "zones that differ" in avoid else chance.choice(ZONES)
    roam = chance.random() < 0.8
    return Choice(
        seed,
        zone,
        log_zone=chance.choice((zone, "UTC", chance.choice(ZONES))),
        business_zone=business,
        compiled=chance.random() < 0.65,
        cache=chance.choice(("off", "memory://", "memory://", "redis")),
        # `trust` is the operator's word that users never leave their group.
        join=chance.choice(("verify", "verify", "never")) if roam else "trust",
        roam=roam,
        loose=chance.random() < 0.35 and "loose names" not in avoid,
        exact=chance.random() < 0.6 and "milliseconds" not in avoid,
        texts=chance.random() < 0.3,
        numbers=chance.random() < 0.3,
        empty=chance.choice(("10002", "10002", "list")),
        code_from=chance.choice(("username", "username", "username", "external_user_id", "id")),
        agents=chance.random() < 0.65,
        focus=chance.choice(sorted(FOCUS)),
        failing=chance.choice((0, 0, 0, 0, 3, 15)) if "failing calls" not in avoid else 0,
        avoid=avoid,
    )


class Stand:
    """One running product over one business."""

    def __init__(self, choice: Choice, system: System, address: str, keys: dict[frozenset[int], str]) -> None:
        self.choice = choice
        self.system = system
        self.keys = keys
        self.client = httpx.Client(base_url=address, timeout=60, trust_env=False)

    def view(self, groups: frozenset[int] | None) -> View:
        """Return the caller."""
        return View(ZoneInfo(self.choice.business_zone), NOW, self.choice.code_from, self.choice.agents, groups)

    def ask(
        self, text: str, variables: dict[str, Any], groups: frozenset[int] | None, fresh: bool = False
    ) -> tuple[Any, list[tuple[str, str]]]:
        """The data and the errors, as sorted (path, code)."""
        headers = {"Content-Type": "application/json"}
        if groups is not None:
            headers["Authorization"] = f"Bearer {self.keys[groups]}"
        if fresh:
            headers["Cache-Control"] = "no-cache"
        body = json.dumps({"query": text, "variables": variables})
        answer = self.client.post("/graphql", content=body, headers=headers).json()
        errors = [(".".join(map(str, e.get("path", []))), e["extensions"]["code"]) for e in answer.get("errors", [])]
        return answer.get("data"), sorted(errors)


class Stands:
    """The parts that all stands of a run share: the upstreams, the keys of callers, a Redis if there is one."""

    def __init__(self, upstreams: Upstreams, folder: Path, redis: str | None) -> None:
        self.upstreams = upstreams
        self.folder = folder
        self.redis = redis
        file = KeyFile(folder / "keys.sqlite")
        self.keys = {
            groups: file.create(Caller(f"caller{place}", groups, frozenset({"explore"})))[1]
            for place, groups in enumerate(AUDIENCES)
            if groups is not None
        }
        self.agents = folder / "agents.json"
        self.agents.write_text(
            json.dumps(
                {
                    str(group): {"agent_code": NORTH, "agent_token": AGENT_TOKENS[NORTH]}
                    for group, agent in AGENT_OF_GROUP.items()
                    if agent == NORTH
                }
            )
        )

    @contextmanager
    def open(self, choice: Choice) -> Iterator[Stand]:
        """A stand of these settings."""
        name = f"w{len(self.upstreams.systems)}"
        business = build(
            choice.seed, choice.zone, choice.log_zone, choice.business_zone,
            roam=choice.roam, loose=choice.loose, code_from=choice.code_from, agents=choice.agents, avoid=choice.avoid,
        )  # fmt: skip
        system = System(
            business, ZoneInfo(choice.zone), ZoneInfo(choice.log_zone), choice.loose, choice.exact, choice.texts,
            choice.numbers, choice.empty, choice.failing, choice.seed,
        )  # fmt: skip
        self.upstreams.add(name, system)
        address = f"{self.upstreams.address}/{name}"
        cache = self.redis if choice.cache == "redis" and self.redis else choice.cache.replace("redis", "off")
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            gamehub_url=f"{address}/api/v1/",
            gamehub_token=TOKEN,  # type: ignore[arg-type]
            gamehub_timezone=choice.zone,
            gamelog_url=f"{address}/log",
            gamelog_agent_code=ADMIN,
            gamelog_agent_token=AGENT_TOKENS[ADMIN],  # type: ignore[arg-type]
            gamelog_agents_file=self.agents if choice.agents else None,
            gamelog_timezone=choice.log_zone,
            business_timezone=choice.business_zone,
            user_code_from=choice.code_from,  # type: ignore[arg-type]
            movement_join=choice.join,  # type: ignore[arg-type]
            cache_url=cache,  # type: ignore[arg-type]
            breaker_failures=0,
            error_journal=self.folder / f"{name}.sqlite",
            keys_file=self.folder / "keys.sqlite",
        )
        gateway = Gateway(LiveSettings(settings, None))

        def context(operation: Operation) -> Any:
            session = gateway.session(operation)
            session.now = NOW
            return session

        @asynccontextmanager
        async def lifespan() -> AsyncIterator[None]:
            async with gateway.open():
                gateway.cache._now = lambda: NOW
                yield

        app = application(
            graph.schema,
            context,
            lifespan=lifespan,
            authenticator=Authenticator(keys=Keys(settings.keys_path)),
            leave=lambda session: session.close(),
            compiled=choice.compiled,
        )
        with serving(app) as served:
            stand = Stand(choice, system, served, self.keys)
            with contextlib.closing(stand.client):
                yield stand


@contextmanager
def stands(redis: str | None) -> Iterator[Stands]:
    """Yield the parts that the stands of a run share."""
    with tempfile.TemporaryDirectory() as folder, Upstreams() as upstreams:
        yield Stands(upstreams, Path(folder), redis)
