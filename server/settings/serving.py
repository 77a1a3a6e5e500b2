"""The settings of the process that serves: its time zone, engine, address and schedule."""

from typing import Literal

from pydantic_settings import BaseSettings

from server.settings.values import KEY_HELP, MEBIBYTES, PEM, ZONE, File, RootPath, TimeZone, setting


class ServingSettings(BaseSettings):
    """The settings of the process that serves: its time zone, engine, address and schedule."""

    business_timezone: TimeZone | None = setting(
        None, "Time zone in which days begin and end (`TODAY`, `dates`). Default: `GAMEHUB_TIMEZONE`.", ZONE
    )
    engine: Literal["compiled", "graphql"] = setting(
        "compiled",
        "`compiled` runs queries as compiled code. `graphql` runs them on graphql-core: the same answers, but slower.",
        "compiled or graphql",
    )
    subgraph: Literal["gamehub", "gamelog"] | None = setting(
        None,
        "Serve the subgraph of one upstream alone, for a federation gateway. It needs no setting of the other one. Not "
        "set: the whole graph.",
        "gamehub or gamelog",
    )
    host: str = setting("127.0.0.1", "Address to listen on; `0.0.0.0` is every network of this machine.", "an address")
    port: int = setting(
        8000, "Port to listen on; 0 takes a free one.", "a whole number from 0 to 65535", ge=0, le=65535
    )
    root_path: RootPath | None = setting(
        None,
        "Path below which a proxy publishes the server: `/graph`. Every address that the server writes has it. The "
        "proxy may remove it from requests or leave it. Not set: that of `X-Forwarded-Prefix`, if a trusted proxy "
        "sends it.",
        "a path such as /graph, whose first part is no path of the server itself",
    )
    unix_socket: File | None = setting(
        None,
        "Path of a unix socket to listen on, instead of `HOST` and `PORT`. Callers need a credential, unless "
        "`AUTH=open` is set.",
        "the path of a file that can be written",
    )
    unix_socket_mode: str = setting(
        "660",
        "Rights of the file of that socket, as `chmod` takes them: who may connect.",
        "three digits from 0 to 7",
        pattern="^[0-7]{3}$",
    )
    workers: int = setting(
        1,
        "Processes that serve on the one socket. They divide the limits that each process keeps for itself. "
        "SIGHUP restarts them one by one.",
        "a whole number from 1 to 64",
        ge=1,
        le=64,
    )
    tls_cert_file: File | None = setting(
        None,
        "File with the certificate of the server and its chain, for https. Goes with `TLS_KEY_FILE`.",
        PEM,
    )
    tls_key_file: File | None = setting(None, KEY_HELP, PEM)
    reconcile_every: float = setting(
        0.0,
        "Hours from one comparison of the reports inside the server to the next, as `gamehub-graph reconcile` makes "
        "it; 0: none. Of the workers, and of the servers of a Redis, one compares. Without a Redis, set it for one "
        "server only.",
        "hours from 0 to 8760",
        ge=0,
        le=8760,
    )
    reconcile_days: int = setting(
        2, "Days that each of these compares: the last that are over.", "a whole number from 1 to 366", ge=1, le=366
    )
    sql_flight_port: int = setting(
        0, "Port on which Arrow Flight SQL listens, at `HOST`; with `TLS_CERT_FILE` it speaks TLS. 0: none.",
        "a whole number from 0 to 65535", ge=0, le=65535,
    )  # fmt: skip
    sql_seconds: float = setting(
        60.0, "Seconds that the process of an SQL statement may take, without the time for reading its tables; and "
        "seconds that it may wait for its client to read the result.",
        "a number above 0", gt=0, le=3600,
    )  # fmt: skip
    sql_mebibytes: int = setting(512, "Memory that an SQL statement may use, in MiB.", MEBIBYTES, ge=64, le=1_000_000)
    sql_statements: int = setting(
        2, "SQL statements that run at the same time, each in a process of its own; others wait.",
        "a whole number from 1 to 100", ge=1, le=100,
    )  # fmt: skip
