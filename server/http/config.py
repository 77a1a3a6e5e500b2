"""The configuration of HTTP: which requests the server accepts, and how it answers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from server.http.admission import MOST_RUNNING, MOST_WAITING
from server.http.proxies import LOOPBACK


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """Which requests the server accepts, how many at the same time, and how it answers.

    `origins` are the origins of other sites whose pages may send requests. These pages may send `origin_headers` in
    addition to the usual headers. `hosts` are the host names that the server answers to, in addition to loopback and
    the bound address. None accepts every host name. `partial_status` is the status of an answer with data and errors in
    `application/graphql-response+json`. Answers of `compress_from` bytes or more are compressed for clients that ask
    for it; with 0 none are. A batch has up to `most_batched` operations; with 0 no batch is served. `mcp` says whether
    there are tools for assistants. A request that takes `slow_seconds` or more is logged with its plan; 0: none. The
    headers of `proxies` say what address the client used. Clients reach the server below `root_path`.
    """

    origins: Sequence[str] = ()
    origin_headers: Sequence[str] = ()
    hosts: Collection[str] | None = ()
    most_running: int = MOST_RUNNING
    most_waiting: int = MOST_WAITING
    partial_status: int = 200
    compress_from: int = 0
    most_batched: int = 0
    mcp: bool = True
    slow_seconds: float = 0.0
    proxies: Sequence[str] = LOOPBACK
    root_path: str = ""
