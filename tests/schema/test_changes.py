"""Clients survive a change of the schema: a breaking change is announced, and a deprecated field says until when."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLSchema, build_schema
from graphql.utilities import find_breaking_changes

from schema import graph
from schema.deprecations import Deprecation, deprecate
from schema.subgraphs import WHOLE

ROOT = Path(__file__).parents[2]
RELEASED = ROOT / "schema" / "released.graphql"

BEFORE = """
enum Status { OPEN CLOSED }
type Query { user(id: ID!): User, status: Status }
type User { name: String, email: String! }
"""
AFTER = """
enum Status { OPEN }
type Query { user(id: ID!, region: ID!): User, status: Status }
type User { email: String }
"""
BREAKING = [
    "A required argument Query.user(region:) was added.",
    "Enum value Status.CLOSED was removed.",
    "Field User.email changed type from String! to String.",
    "Field User.name was removed.",
]


def read(text: str) -> GraphQLSchema:
    """Return the schema of a document. It need not define federation's directives."""
    return build_schema(text, assume_valid=True, assume_valid_sdl=True)


def unannounced(before: str, after: str, changelog: str) -> list[str]:
    """Return the breaking changes that no `### Breaking` among the unreleased changes lists."""
    unreleased = changelog.partition("\n## Unreleased\n")[2].partition("\n## ")[0]
    listed = ""
    for section in unreleased.split("\n### ")[1:]:
        heading, _, text = section.partition("\n")
        if heading.strip() == "Breaking":
            listed += " ".join(text.replace("`", "").split())
    changes = find_breaking_changes(read(before), read(after))
    return sorted(each.description for each in changes if each.description not in listed)


def test_a_breaking_change_is_announced() -> None:
    found = unannounced(
        RELEASED.read_text("utf-8"), graph.sdl(), (ROOT / "CHANGELOG.md").read_text("utf-8")
    )  # fmt: skip
    assert found == [], (
        "these changes break clients of schema/released.graphql. Deprecate instead, or list each in CHANGELOG.md, in "
        "these words, under `### Breaking` of `## Unreleased`"
    )


@pytest.mark.parametrize(
    ("changelog", "expected"),
    [
        ("# Changelog\n\n## Unreleased\n\n### Graph\n\n- Field User.name was removed.\n", BREAKING),
        ("# Changelog\n\n## Unreleased\n\n### Breaking\n\n- Field `User.name` was\n  removed.\n", BREAKING[:-1]),
        ("\n## Unreleased\n\n### Breaking\n\n" + "".join(f"- {each}\n" for each in BREAKING), []),
        ("\n## Unreleased\n\n## 0.1.0\n\n### Breaking\n\n" + "".join(f"- {each}\n" for each in BREAKING), BREAKING),
    ],
    ids=["elsewhere", "one listed", "all listed", "an older version"],
)
def test_an_unannounced_change_is_found(changelog: str, expected: list[str]) -> None:
    assert unannounced(BEFORE, AFTER, changelog) == expected
    assert unannounced(BEFORE, BEFORE, changelog) == []


def test_a_removed_field_of_the_graph_is_found() -> None:
    removed = graph.sdl().replace('  """The group\'s name."""\n  name: String\n', "", 1)
    assert unannounced(RELEASED.read_text("utf-8"), removed, "") == ["Field Group.name was removed."]


def deprecations(schema: GraphQLSchema) -> Iterator[tuple[str, str]]:
    """Yield each deprecated field, argument, value and input field with its reason."""
    for kind in schema.type_map.values():
        members = kind.values if isinstance(kind, GraphQLEnumType) else getattr(kind, "fields", {})
        for name, member in members.items():
            arguments = {} if isinstance(kind, GraphQLInputObjectType) else getattr(member, "args", {})
            each = {name: member} | {f"{name}({argument}:)": value for argument, value in arguments.items()}
            for place, value in each.items():
                if value.deprecation_reason is not None:
                    yield f"{kind.name}.{place}", value.deprecation_reason


def wrong_deprecations(schema: GraphQLSchema) -> list[str]:
    """Return the deprecated places whose reason does not say what to use instead, and the day of the removal."""
    found = []
    for place, reason in deprecations(schema):
        days = re.findall(r"\b\d{4}-\d{2}-\d{2}\b", reason)
        words = re.sub(r"\d{4}-\d{2}-\d{2}", "", reason).split()
        if len(words) < 3 or not days or not all(is_day(each) for each in days):
            found.append(f"{place}: {reason}")
    return found


def is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def test_a_deprecated_place_has_a_reason_and_a_date() -> None:
    assert wrong_deprecations(graph.schema._schema) == [], "name the field in schema/deprecations.py"


def test_a_deprecated_field_is_printed_with_its_reason_and_its_date() -> None:
    made_up = graph.Graph(WHOLE)
    deprecate(made_up._schema, {"Group.name": Deprecation("Use `title`.", date(2027, 3, 1))})
    line = '  name: String @deprecated(reason: "Use `title`. It is removed on 2027-03-01.")\n'
    assert line in made_up.api
    assert line in made_up.sdl
    assert [*deprecations(made_up._schema)] == [("Group.name", "Use `title`. It is removed on 2027-03-01.")]
    assert wrong_deprecations(made_up._schema) == []
    with pytest.raises(KeyError):
        deprecate(made_up._schema, {"Group.title": Deprecation("Use `name`.", date(2027, 3, 1))})


def test_a_deprecation_without_reason_or_date_is_found() -> None:
    made_up = """
    enum Kind { GOOD, BAD @deprecated }
    input Where { old: Int @deprecated(reason: "Use `new` instead."), new: Int }
    type Query {
      fine: Int @deprecated(reason: "Use `better`. It is removed on 2027-03-01.")
      better(old: Int @deprecated(reason: "2027-03-01"), kind: Kind, where: Where): Int
      worse: Int @deprecated(reason: "Use `better`. It is removed on 2027-02-30.")
    }
    """
    assert wrong_deprecations(build_schema(made_up)) == [
        "Kind.BAD: No longer supported",
        "Where.old: Use `new` instead.",
        "Query.better(old:): 2027-03-01",
        "Query.worse: Use `better`. It is removed on 2027-02-30.",
    ]
