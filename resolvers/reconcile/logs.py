"""The game log (G1): the log of an agent beside the logs of its users."""

from collections.abc import Iterable, Mapping

from resolvers.reconcile.figures import WHOLE_ROW, Difference, Figure, Statement, compare, loose, missing
from upstream.reports.rows import GameLogRow

AGENT, USER = "G1 of the agent", "G1 of the user"
_MONEY = frozenset(
    {
        *("bet_money", "win_money", "user_start_balance", "user_end_balance"),
        *("agent_start_balance", "agent_end_balance"),
    }
)
LOG = tuple(
    Figure(
        name,
        {AGENT: name, USER: name},
        money=name in _MONEY,
        time=name == "created_at",
        loose=name == "user_code",
    )
    for name in GameLogRow.__struct_fields__
    if name != "history_id"
)


def logs(
    of_user: Iterable[GameLogRow], of_agent: Mapping[int, GameLogRow], seen: dict[int, GameLogRow]
) -> Iterable[Difference]:
    """Compare the log of a user with that of the agent, by history id. `seen` takes the rows that users have.

    An upstream that ignores case (C27) returns the same row for two users. It is compared once.
    """
    for row in of_user:
        key = f"log row {row.history_id}"
        if seen.get(row.history_id) == row:
            continue
        seen[row.history_id] = row
        other = of_agent.get(row.history_id)
        if other is None:
            yield missing("logs", f"{key} of user {row.user_code}", USER, AGENT)
        elif row != other:
            yield from compare("logs", key, {AGENT: other, USER: row}, LOG)


def unlogged(of_agent: Mapping[int, GameLogRow], seen: Mapping[int, GameLogRow]) -> Iterable[Difference]:
    """Return a difference for each row of the agent's log that is in no user's log."""
    for id, row in of_agent.items():
        if id not in seen:
            yield missing("logs", f"log row {id} of user {row.user_code}", AGENT, USER)


def unlisted(of_agent: Iterable[GameLogRow], codes: Iterable[str], column: str) -> Iterable[Difference]:
    """Return a difference for each user code of the agent's log that no user of R9 has in its `column`."""
    listed = {loose(code) for code in codes}
    found = {loose(row.user_code): row.user_code for row in of_agent}
    for folded, code in found.items():
        if folded not in listed:
            statements = (Statement(AGENT, "user_code", code), Statement("R9", column, None))
            yield Difference("logs", f"user {code}", WHOLE_ROW, statements)
