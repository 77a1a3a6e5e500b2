"""`docs/explanation/security.md` names tests and bounds that there are."""

import re
from pathlib import Path

from server.execution.limits import ORDINARY, PATIENT
from server.odata import grammar, reading
from server.settings.settings import NAMES
from tests.hostile.corpus import CASES

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "explanation" / "security.md").read_text("utf-8")
SOURCES: dict[str, str] = {}  # by name: those of one name together
for path in (ROOT / "tests").rglob("test_*.py"):
    SOURCES[path.name] = SOURCES.get(path.name, "") + path.read_text("utf-8")


def test_the_tests_are_there() -> None:
    named = re.findall(r"`(?:tests/(?:\w+/)+)?(test_\w+\.py)(?:::(test_\w+))?`", PAGE)
    assert len(named) > 15
    missing = [
        (file, test) for file, test in named if file not in SOURCES or (f"def {test}(" not in SOURCES[file] and test)
    ]
    assert missing == []


def test_the_cases_are_there() -> None:
    names = {case.name for case in CASES}
    rows = [line for line in PAGE.splitlines() if line.startswith("| ✓")]
    assert len(rows) > 15
    quoted = [name for row in rows for name in re.findall(r'"([^"]+)"', row) if not name.startswith("…")]
    assert [name for name in quoted if name not in names] == []


def test_the_settings_are_there() -> None:
    named = re.findall(r"`((?:MAX|CLIENT|REQUEST|CORS|DOCUMENTS)_\w+)`", PAGE)
    assert [name for name in named if name not in NAMES] == []
    assert {name for name in NAMES if name.startswith("MAX_")} <= set(named)


def test_the_bounds_are_those() -> None:
    bounds = re.findall(r"^\|[^|]+\|([^|]+)\|[^|]*\|[^|]+\|$", PAGE, re.MULTILINE)
    numbers = {int(number.replace(",", "")) for cell in bounds for number in re.findall(r"\d[\d,]*", cell)}
    documented = (
        *(
            ORDINARY.characters,
            ORDINARY.tokens,
            ORDINARY.definitions,
            ORDINARY.variables,
            ORDINARY.depth,
            ORDINARY.introspection_depth,
        ),
        *(ORDINARY.fields, ORDINARY.root_fields, ORDINARY.aliases, ORDINARY.spreads, ORDINARY.directives),
        ORDINARY.variables,
        *(
            ORDINARY.directives_each,
            ORDINARY.nesting,
            ORDINARY.values,
            ORDINARY.overlaps,
            ORDINARY.errors,
            ORDINARY.field_errors,
        ),
        *(ORDINARY.nodes, ORDINARY.answer_bytes >> 20),
        *(grammar.LONGEST, grammar.MOST_WORDS, grammar.MOST_OPERATIONS, grammar.DEEPEST, reading.MOST_SORTED),
        *(int(ORDINARY.seconds), PATIENT.connections, int(PATIENT.request_seconds), PATIENT.head_bytes // 1024),
    )
    assert set(documented) <= numbers
