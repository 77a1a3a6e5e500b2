"""Divide the limits of the settings among the workers, so that together they keep what the settings say."""

from typing import Any

from server.settings.settings import Settings

# The limits that each process keeps for itself. At least 1 remains for each worker, and 0 stays 0: no limit, or none.
DIVIDED = (
    "gamehub_concurrency",
    "gamelog_concurrency",
    "max_waiting_calls",
    "max_connections",
    "max_operations",
    "max_waiting_operations",
    "max_subscriptions",
    "max_caller_subscriptions",
    "max_topics",
    "cache_mebibytes",
    "answer_cache_mebibytes",
    "learned_documents_mebibytes",
    "sql_statements",
)
# A Redis counts and holds these for all processes.
DIVIDED_WITHOUT_REDIS = (
    "gamehub_calls_per_minute",
    "gamelog_calls_per_minute",
    "rate_requests",
    "rate_calls",
)


def share_of(settings: Settings, worker: int, workers: int) -> Settings:
    """Return the settings of one of the workers, counted from 0."""
    names = [*DIVIDED, *(() if settings.cache_in_redis else DIVIDED_WITHOUT_REDIS)]
    update: dict[str, Any] = {name: share(getattr(settings, name), worker, workers) for name in names}
    return settings.model_copy(update=update)


def share(total: int, worker: int, workers: int) -> int:
    """Return the part of one worker of a limit: at least 1, and together the limit if it is large enough."""
    part, rest = divmod(total, workers)
    return max(part + (worker < rest), 1) if total else 0
