"""Make a comparison over a gateway, for the command and the schedule."""

import datetime
from collections.abc import Callable
from zoneinfo import ZoneInfo

from resolvers.reconcile.figures import Difference
from server.execution.operation import Operation
from server.gateway import Gateway
from server.reconcile.reconciliation import AT_ONCE, People, Reconciliation
from upstream.reports.table import System


def over(
    gateway: Gateway,
    zone: ZoneInfo,
    on_difference: Callable[[datetime.date, Difference], None],
    *,
    group: int | None = None,
    at_once: int = AT_ONCE,
) -> Reconciliation:
    """Make a comparison of the reports of a gateway, without game logs if Game History is not configured."""
    session = gateway.session(Operation(""))
    people = People(session.user_code_from, session.agent_of_group, session.every_agent)
    logs = System.GAMELOG not in gateway.missing
    return Reconciliation(gateway, zone, people, group=group, logs=logs, on_difference=on_difference, at_once=at_once)
