"""The table of reports: a new report that lacks one of its facts fails here, and the failure names the fact."""

import datetime
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

from schema.mapping.lists import order
from upstream.reports.owner import Owner, OwnerKind
from upstream.reports.rows import ColumnKind, Id, Moment, Row
from upstream.reports.table import (
    DAILY_MOVEMENTS,
    GAME_DETAIL,
    GAME_LOGS,
    GROUP_MOVEMENTS,
    ID_COLUMNS,
    REPORTS,
    ROOM_GAMES,
    USERS,
    Check,
    EntityKind,
    Parameter,
    Report,
    System,
)

# Columns that name the owner of a row. A row that has one of them must say whose it is.
OWNER_COLUMNS = {"user_id", "group_id", "seller_group_id", "user_code"}


@dataclass
class Columns:
    """The columns of a row struct, by what their annotations say."""

    names: set[str] = field(default_factory=set)
    ids: list[str] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    inner: dict[str, type[Row]] = field(default_factory=dict)


def columns(row: type[Row]) -> Columns:
    found = Columns()
    hints = typing.get_type_hints(row, include_extras=True)
    for item in msgspec.structs.fields(row):
        hint = hints[item.name]
        found.names.add(item.name)
        if item.required and hint is Id and item.name.endswith("id"):
            found.ids.append(item.name)
        if ColumnKind.MOMENT in getattr(hint, "__metadata__", ()) or hint is datetime.date:
            found.times.append(item.name)
        if (inner := next(rows_in(hint), None)) is not None:
            found.inner[item.name] = inner
    return found


def rows_in(hint: Any) -> Iterator[type[Row]]:
    if isinstance(hint, type) and issubclass(hint, Row):
        yield hint
    for part in typing.get_args(hint):
        yield from rows_in(part)


def forgotten(report: Report) -> list[str]:
    """Return the facts that a report's line lacks."""
    found, own = [], columns(report.row)
    if own.ids and report.id is None:
        found.append(f"id: {own.ids[0]} identifies a row")
    if report.id is not None and report.id not in own.names:
        found.append(f"id: the row has no column {report.id}")
    if report.id in own.ids and report.entity is None:
        found.append(f"entity: {report.id} identifies an entity of some kind")
    if own.times and not report.single and report.frame is None:
        found.append(f"frame: {own.times[0]} is a time")
    if report.frame is not None and report.time_column not in own.times:
        found.append(f"moment or day: the frame {report.frame} selects rows by a time")
    if report.id in own.ids and not report.single and report.id not in [name.lstrip("-") for name in report.order]:
        found.append("order: lists of its rows have no order that ends in the id")
    found += [f"order: the row has no column {name}" for name in report.order if name.lstrip("-") not in own.names]
    found += forgotten_of_parameters(report, own)
    found += forgotten_owners(report.row, report.owner, "")
    return found


def forgotten_of_parameters(report: Report, own: Columns) -> Iterator[str]:
    for name, parameter in report.parameters.items():
        if name in own.names and name not in report.echoes and not parameter.search:
            yield f"echoes: the column {name} repeats the parameter"
        for column in sorted(own.names - {name}):
            if not parameter.search and name not in report.echoes and repeats(report, name, column):
                yield f"echoes: the column {column} repeats the parameter {name}"
        if name in ("group_id", "groupid", "fkgroup", "user_id", "user_code") and parameter.names is None:
            yield f"parameters: {name} names an owner"
    for name, column in report.echoes.items():
        if name not in report.parameters or column not in own.names:
            yield f"echoes: {name} is no parameter, or {column} no column"


def repeats(report: Report, parameter: str, column: str) -> bool:
    """Return whether a column of another name repeats a parameter: groupid and group_id, or bs_room_id and room_id."""
    if parameter == "id":
        return column == report.id
    return "_" in column and parameter.replace("_", "").endswith(column.replace("_", ""))


def forgotten_owners(row: type[Row], owner: Owner | None, path: str) -> Iterator[str]:
    own = columns(row)
    names = set()
    if owner is not None:
        for who in (owner.group, owner.user):
            names |= {who.id, *who.columns} if who is not None else set()
        yield from (f"owner: the row has no column {path}{name}" for name in names - own.names)
    yield from (f"owner: {path}{name} names an owner" for name in sorted(own.names & OWNER_COLUMNS - names))
    for name, inner in own.inner.items():
        part = owner.parts.get(name) if owner is not None else None
        yield from forgotten_owners(inner, part, f"{path}{name}.")


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.code)
def test_a_report_has_all_its_facts(report: Report) -> None:
    assert forgotten(report) == [], f"{report.code}: complete its line in upstream/reports/table.py"


def test_codes_and_types_are_unique_and_every_report_is_in_the_table() -> None:
    from upstream.reports import table

    declared = [value for value in vars(table).values() if isinstance(value, Report)]
    assert declared == [*REPORTS], "list each report in REPORTS, in the order of declaration"
    assert len({report.code for report in REPORTS}) == len(REPORTS)
    assert len({(report.action, report.report_type) for report in REPORTS}) == len(REPORTS)
    assert len({report.row for report in REPORTS}) == len(REPORTS)


class BadgeRow(Row, kw_only=True):
    """A report of somebody's own invention."""

    badge_id: Id
    group_id: Id
    awarded_at: Moment


def test_every_forgotten_fact_of_a_new_report_is_named() -> None:
    badges = Report("R99", "Badges", "badges", BadgeRow, {"group_id": Parameter(Check.ID)})
    assert forgotten(badges) == [
        "id: badge_id identifies a row",
        "frame: awarded_at is a time",
        "echoes: the column group_id repeats the parameter",
        "parameters: group_id names an owner",
        "owner: group_id names an owner",
    ]
    assert forgotten(replace(GROUP_MOVEMENTS, moment=None, order=(), entity=None)) == [
        "entity: movement_id identifies an entity of some kind",
        "moment or day: the frame timestamp selects rows by a time",
        "order: lists of its rows have no order that ends in the id",
    ]
    assert "echoes: the column room_id repeats the parameter bs_room_id" in forgotten(replace(ROOM_GAMES, echoes={}))
    assert "echoes: the column game_id repeats the parameter id" in forgotten(replace(GAME_DETAIL, echoes={}))
    assert "echoes: the column group_id repeats the parameter groupid" in forgotten(replace(DAILY_MOVEMENTS, echoes={}))
    assert "owner: winners.user_id names an owner" in forgotten(replace(ROOM_GAMES, owner=None))
    assert "echoes: the column id repeats the parameter" in forgotten(replace(USERS, echoes={"fkgroup": "group_id"}))


def test_columns_that_name_entities_are_the_ids_of_reports() -> None:
    by_column = {report.id: report.entity for report in REPORTS if report.id in ID_COLUMNS}
    assert by_column == {name: ID_COLUMNS[name] for name in by_column}
    assert {EntityKind.USER, EntityKind.GROUP, EntityKind.ROOM} <= set(ID_COLUMNS.values())


@pytest.mark.parametrize("report", [report for report in REPORTS if report.totals], ids=lambda report: report.code)
def test_every_total_is_one_of_the_daily_report(report: Report) -> None:
    assert set(report.totals.values()) <= {"wagers", "refunds", "paid", ""}
    assert set(report.signs) <= set(report.totals)


def test_cursors_stand_on_the_order_of_the_reports() -> None:
    orders = [each for each in vars(order).values() if isinstance(each, order.ListOrder)]
    for each in orders:
        assert each.falling == all(name.startswith("-") for name in _order_of(each.columns)), each
    # A cursor that a client keeps contains the name and the key of its order. They must not change.
    assert {each.name: each.types for each in orders} == {
        "groups": (int,),
        "users": (int,),
        "games": (int, int),
        "transactions": (int,),
        "gameLogs": (int, int),
        "financialMovements": (int, int, int, int, int, int, str),
    }


def _order_of(columns: tuple[str, ...]) -> tuple[str, ...]:
    return next(each.order for each in REPORTS if tuple(name.lstrip("-") for name in each.order) == columns)


def test_the_key_of_a_list_follows_from_the_line_of_its_report() -> None:
    badges = Report("R99", "Badges", "badges", BadgeRow, {}, order=("-awarded_at", "group_id"))
    made = order.of("Badge", badges)
    rows = [BadgeRow(badge_id=id, group_id=group, awarded_at=at) for id, group, at in ((1, 2, 5), (2, 1, 5), (3, 9, 7))]
    assert (made.name, made.types, made.columns, made.falling) == (
        "badges",
        (int, int),
        ("awarded_at", "group_id"),
        False,
    )
    assert [row.badge_id for row in made.sorted(rows)] == [3, 2, 1]
    newest = order.of("Badge", replace(badges, order=("-awarded_at", "-badge_id")))
    assert newest.falling
    assert [row.badge_id for row in newest.sorted(rows)] == [3, 2, 1]
    assert newest.key(rows[0]) == (-5, -1)
    with pytest.raises(
        ValueError, match=r"R99: its line in upstream/reports/table.py has no `order` for pages of Badge"
    ):
        order.of("Badge", replace(badges, order=()))
    with pytest.raises(ValueError, match=r"R99: lists cannot be ordered by id \(BadgeRow\)"):
        order.of("Badge", replace(badges, order=("id",)))


def test_only_game_history_has_agents_and_codes() -> None:
    for report in REPORTS:
        of_log = report.system is System.GAMELOG
        assert of_log == (report is GAME_LOGS)
        assert of_log == any(each.names is OwnerKind.CODE for each in report.parameters.values())
