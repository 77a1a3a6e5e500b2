"""An application behind authentication that answers with its caller, and an issuer of tokens. Both are served."""

import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.auth.authenticator import Authenticator
from server.auth.linking import link_routes
from server.auth.middleware import AuthMiddleware
from server.http.proxies import TrustedProxies
from tests.server.serving import serving
from upstream.resilience.queue import QUEUE_CALLER

METHODS = ["GET", "POST", "HEAD"]


def echo(callers: Authenticator) -> Starlette:
    """The application. `?calls=3` counts as so many upstream calls of the caller."""

    async def tell(request: Request) -> Response:
        caller = request.scope["caller"]
        for _ in range(int(request.query_params.get("calls", "0"))):
            QUEUE_CALLER.get().on_slot()
        return JSONResponse(
            {
                "name": caller.name,
                "asker": QUEUE_CALLER.get().name,
                "groups": None if caller.groups is None else sorted(caller.groups),
                "permissions": sorted(caller.permissions),
                "query": request.url.query,
            }
        )

    @asynccontextmanager
    async def live(app: Starlette) -> Any:
        async with callers:
            yield

    return Starlette(
        routes=[*link_routes(callers), Route("/{path:path}", tell, methods=METHODS)],
        middleware=[Middleware(TrustedProxies), Middleware(AuthMiddleware, callers=callers)],
        lifespan=live,
    )


@dataclass
class Issuer:
    """Issues tokens; its key set is served at `url`."""

    url: str = ""
    requests: int = 0
    status: int = 200
    private: dict[str, tuple[str, Any]] = field(default_factory=dict)
    published: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, id: str, algorithm: str = "ES256", *, publish: bool = True) -> None:
        """A new key, to be known to everybody."""
        make: dict[str, Callable[[], Any]] = {
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }
        private = make[algorithm]()
        self.private[id] = (algorithm, private)
        if publish:
            kind: Any = jwt.get_algorithm_by_name(algorithm)
            self.published[id] = kind.to_jwk(private.public_key(), as_dict=True) | {"kid": id, "use": "sig"}

    def token(self, id: str, **claims: Any) -> str:
        """A token signed by a key; a claim of None is left out."""
        algorithm, private = self.private[id]
        claims_sent = {"iss": "https://issuer.example", "aud": "graph", "sub": "anna", "exp": time.time() + 60} | claims
        claims_sent = {name: value for name, value in claims_sent.items() if value is not None}
        return jwt.encode(claims_sent, private, algorithm, headers={"kid": id})

    async def keys(self, request: Request) -> Response:
        self.requests += 1
        return JSONResponse({"keys": list(self.published.values())}, self.status)


@contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer with one key, `first`."""
    issuer = Issuer()
    issuer.add("first")
    with serving(Starlette(routes=[Route("/keys", issuer.keys)])) as address:
        issuer.url = f"{address}/keys"
        yield issuer
