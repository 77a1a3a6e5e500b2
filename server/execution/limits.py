"""The limits of requests and of clients, as data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a request. Some are settings with the same defaults; a test compares them.

    `overlaps` limits the comparisons of graphql-core's rule on overlapping fields, which is quadratic. `errors` limits
    the reported errors of an invalid document, `field_errors` those of an answer; more errors are only counted.
    `nodes` limits the objects in the lists of an answer, `answer_bytes` its JSON. `calls` and `rows` limit the plan of
    an operation; with 0 there is no limit and no plan. `incremental` allows `@defer` and `@stream`.
    """

    body_bytes: int = 1024 * 1024
    address_bytes: int = 16 * 1024
    seconds: float = 100.0
    characters: int = 25_000
    tokens: int = 1000
    comments: int = 1000
    definitions: int = 100
    variables: int = 50
    depth: int = 20
    introspection_depth: int = 25
    fields: int = 1000
    root_fields: int = 50
    aliases: int = 100
    directives: int = 100
    directives_each: int = 5
    spreads: int = 500
    nesting: int = 20
    values: int = 20_000
    overlaps: int = 3000
    errors: int = 20
    field_errors: int = 1000
    nodes: int = 200_000
    answer_bytes: int = 64 * 1024 * 1024
    calls: int = 0
    rows: int = 0
    introspection: bool = True
    incremental: bool = False


@dataclass(frozen=True, slots=True)
class ClientTimeouts:
    """The seconds that a client may take, and the resources that it may occupy."""

    request_seconds: float = 10.0
    idle_seconds: float = 10.0
    least_read: int = 16 * 1024  # bytes of an answer that a client must read in `request_seconds`
    head_bytes: int = 32 * 1024
    address_bytes: int = 16 * 1024  # in too large a head, an address of this length is the part that is too long
    connections: int = 2000


ORDINARY = Limits()
PATIENT = ClientTimeouts()
