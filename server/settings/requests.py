"""The settings of requests: which the server accepts, and what one may cost."""

from typing import Literal

from pydantic_settings import BaseSettings

from server.execution.limits import ClientTimeouts, Limits
from server.settings.values import (
    BOUND,
    COUNT,
    MEBIBYTES,
    SECONDS,
    File,
    HeaderNames,
    HostNames,
    Origins,
    Proxies,
    listed,
    setting,
)
from server.subscriptions.config import SubscriptionConfig


class RequestSettings(BaseSettings):
    """The settings of requests: which the server accepts, and what one may cost."""

    max_body_bytes: int = setting(1024 * 1024, "Bytes that a request's body may have.", COUNT, ge=1)
    max_tokens: int = setting(1000, "Tokens (names, values, signs) that a document may have.", COUNT, ge=1)
    max_depth: int = setting(20, "Levels of fields in an operation. Introspection has its own.", COUNT, ge=1)
    max_fields: int = setting(1000, "Fields of an operation, its fragments written out.", COUNT, ge=1)
    max_root_fields: int = setting(50, "Fields at the root of an operation.", COUNT, ge=1)
    max_aliases: int = setting(100, "Aliases in an operation, its fragments written out.", COUNT, ge=1)
    max_directives: int = setting(100, "Directives in an operation, its fragments written out.", COUNT, ge=1)
    max_fragment_spreads: int = setting(500, "Fragment spreads in an operation, written out.", COUNT, ge=1)
    max_nodes: int = setting(
        200_000, "Nodes (objects in lists) that an answer may have, counted before they are built.", COUNT, ge=1
    )
    max_answer_mebibytes: int = setting(
        64, "How long an answer may be, in MiB, as it is written.", MEBIBYTES, ge=1, le=4096
    )
    max_calls: int = setting(
        0,
        "Upstream calls that an operation may be planned to make, as `X-Graph-Max-Calls` has it for one request; 0 is "
        "no bound, and no operation has to be planned beforehand.",
        BOUND,
        ge=0,
    )
    max_rows: int = setting(0, "Upstream rows that an operation may be planned to read; 0 is no bound.", BOUND, ge=0)
    max_batched_operations: int = setting(
        0,
        "Operations that one request may have, as a JSON array. The limits hold for all together. 0: no batches.",
        "a whole number from 0 to 1000",
        ge=0,
        le=1000,
    )
    request_timeout: float = setting(
        100.0, "Seconds that an operation may take before it is ended with DEADLINE_EXCEEDED.", SECONDS, gt=0, le=3600
    )
    introspection: Literal["on", "off"] = setting(
        "on",
        "`off` hides the schema: introspection, `_service`, suggestions, `/tables/NAME/schema` and `$metadata`.",
        "on or off",
    )
    incremental_delivery: Literal["on", "off"] = setting(
        "off",
        "`on` allows `@defer` and `@stream`: clients that accept `multipart/mixed` receive deferred parts later.",
        "on or off",
    )
    partial_status: Literal["200", "294"] = setting(
        "200",
        "HTTP status of an answer with data and errors, for clients that accept `application/graphql-response+json`: "
        "`294` is Partial Success.",
        "200 or 294",
    )
    compress_from_bytes: int = setting(
        1024,
        "Bytes from which on answers of `/graphql` and pages are compressed (zstd, br, gzip), for clients that ask for "
        "it; 0 compresses none.",
        BOUND,
        ge=0,
    )
    mcp: Literal["on", "off"] = setting(
        "on", "`off`: there is no `/mcp`, which gives assistants the saved queries as tools (extra `mcp`).", "on or off"
    )
    documents: Literal["any", "saved"] = setting(
        "any", "`saved`: only the saved queries and those of `DOCUMENTS_FOLDER` run.", "any or saved"
    )
    documents_folder: File | None = setting(
        None,
        "Folder of registered documents: `.graphql` files, and `.json` manifests of Apollo, Relay and codegen.",
        "a folder",
    )
    learned_documents_mebibytes: int = setting(
        4,
        "The size limit, in MiB, of the documents that clients teach the server (Apollo's automatic persisted "
        "queries). Servers share them over the Redis of `CACHE_URL`. 0, and `DOCUMENTS=saved`: none are learned.",
        BOUND,
        ge=0,
        le=4096,
    )
    cors_origins: Origins | None = setting(
        None,
        "Origins, separated by commas, whose pages may send requests: `https://bi.example.com`.",
        "origins such as https://bi.example.com",
    )
    cors_headers: HeaderNames | None = setting(
        None,
        "Headers, separated by commas, that those pages may send in addition to the usual ones: `x-team`.",
        "names of headers",
    )
    allowed_hosts: HostNames | None = setting(
        None,
        "Host names, separated by commas, that the server answers to, in addition to loopback and its bound address: "
        "`graph.example.com`. Default: none while no credential is needed, any with `AUTH=required`.",
        "names of hosts such as graph.example.com",
    )
    forwarded_allow_ips: Proxies = setting(
        "127.0.0.1,::1",
        "Addresses and networks of proxies, separated by commas: `10.0.0.7,10.1.0.0/16`. From them alone the server "
        "takes the client's address and its own public address: `X-Forwarded-For`, `-Proto`, `-Host`, `-Prefix`, "
        "or `Forwarded`. `*` is every address: any client can then name another address as its own.",
        "addresses and networks such as 10.0.0.7,10.1.0.0/16, or *",
    )
    client_timeout: float = setting(
        10.0, "Seconds in which a request must be complete; as long may a connection be idle.", SECONDS, gt=0, le=3600
    )
    max_connections: int = setting(
        2000,
        "Clients' connections; beyond it the one that has waited longest without a request is closed.",
        COUNT,
        ge=1,
    )
    max_operations: int = setting(
        200, "Operations that run at the same time.", "a whole number from 1 to 100000", ge=1, le=100_000
    )
    max_waiting_operations: int = setting(
        800,
        "Operations that may wait for their turn; the next one is answered 503 with `Retry-After`.",
        "a whole number from 0 to 100000",
        ge=0,
        le=100_000,
    )
    subscription_seconds: float = setting(
        5.0,
        "Seconds from one poll of a topic to the next. A topic with subscribers is polled once for all of them.",
        SECONDS,
        gt=0,
        le=3600,
    )
    max_subscriptions: int = setting(2000, "Subscriptions of all callers at the same time.", COUNT, ge=1)
    max_caller_subscriptions: int = setting(1000, "Subscriptions of one caller at the same time.", COUNT, ge=1)
    max_topics: int = setting(
        100, "Different topics that are polled at the same time, such as the transactions of one group.", COUNT, ge=1
    )
    drain_seconds: float = setting(
        0.0,
        "Seconds for which a server goes on serving after the signal to stop, while `/readyz` answers 503, so that "
        "load balancers notice.",
        "a number from 0 to 3600",
        ge=0,
        le=3600,
    )
    stop_seconds: float = setting(30.0, "Seconds that operations under way then have to end.", SECONDS, gt=0, le=3600)

    @property
    def limits(self) -> Limits:
        """Return the limits of one request."""
        return Limits(
            body_bytes=self.max_body_bytes,
            seconds=self.request_timeout,
            tokens=self.max_tokens,
            depth=self.max_depth,
            fields=self.max_fields,
            root_fields=self.max_root_fields,
            aliases=self.max_aliases,
            directives=self.max_directives,
            spreads=self.max_fragment_spreads,
            nodes=self.max_nodes,
            answer_bytes=self.max_answer_mebibytes << 20,
            calls=self.max_calls,
            rows=self.max_rows,
            introspection=self.introspection == "on",
            incremental=self.incremental_delivery == "on",
        )

    @property
    def subscriptions(self) -> SubscriptionConfig:
        """Return the limits of subscriptions."""
        return SubscriptionConfig(
            most=self.max_subscriptions,
            most_of_caller=self.max_caller_subscriptions,
            most_topics=self.max_topics,
            init_seconds=self.client_timeout,
        )

    @property
    def patience(self) -> ClientTimeouts:
        """Return how long a client may take to send a request."""
        return ClientTimeouts(self.client_timeout, self.client_timeout, connections=self.max_connections)

    @property
    def origins(self) -> tuple[str, ...]:
        """Return the origins whose pages may send requests."""
        return tuple(origin.strip().lower() for origin in (self.cors_origins or "").split(",") if origin.strip())

    @property
    def proxies(self) -> tuple[str, ...]:
        """Return the addresses and networks of trusted proxies; `*` is every address."""
        return tuple(listed(self.forwarded_allow_ips))

    @property
    def origin_headers(self) -> tuple[str, ...]:
        """Return the headers that pages of these origins may send in addition to the usual ones."""
        return tuple(listed(self.cors_headers))
