"""What a request may cost, and how long a client may take: the bounds as data. Who holds to them imports this."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a request. Those that are settings have their defaults there, too; a test holds both together.

    `overlaps` are the comparisons that graphql-core's rule on overlapping fields may make: it is quadratic by nature.
    `errors` are those that keep a document from running, `field_errors` those of an answer; the rest is counted.
    `nodes` are the objects of an answer's lists, `answer_bytes` the answer as it is written.
    `calls` and `rows` are what the planner foresees for an operation; 0 is no bound, and nothing is foreseen.
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


@dataclass(frozen=True, slots=True)
class ClientTimeouts:
    """How long a client may take, in seconds, and how much it may take up."""

    request_seconds: float = 10.0
    idle_seconds: float = 10.0
    least_read: int = 16 * 1024  # bytes of an answer that are read in `request_seconds`
    head_bytes: int = 32 * 1024
    connections: int = 2000


ORDINARY = Limits()
PATIENT = ClientTimeouts()
