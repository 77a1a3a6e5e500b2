"""Send the same random documents under random settings to the product and the oracle, and report the differences."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from graphql import (
    REMOVE,
    SKIP,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    SelectionSetNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    print_ast,
    validate,
    visit,
)

from tests.oracle.compare import differences, without_failed, wrong_errors
from tests.oracle.documents import Documents, Question
from tests.oracle.evaluator import Opaque, Oracle
from tests.oracle.graph import GRAPH
from tests.oracle.stand import AUDIENCES, Choice, Stand, Stands, draw

# Kinds of question that the product answers wrongly at present, each with the point of the issue that will settle it. A
# kind is removed as soon as the product answers it. The set should be empty.
KNOWN: dict[str, str] = {}

DOCUMENTS_OF_A_STAND = 13
MOST_PAGES = 12
MOST_TRIES = 120


@dataclass
class Case:
    """One document under its settings."""

    stand: Stand
    question: Question
    groups: frozenset[int] | None
    fresh: bool = False

    def wrong(self, opaque: Opaque) -> tuple[list[str], Any, Any]:
        """The differences, with what was expected and what the product answered."""
        text, variables = self.question.text, self.question.variables
        oracle = Oracle(self.stand.system, self.stand.view(self.groups), opaque)
        expected, expected_errors = oracle.answer(text, variables)
        try:
            got, errors = self.stand.ask(text, variables, self.groups, self.fresh)
        except httpx.TimeoutException:
            return ["no answer in time"], (expected, expected_errors), (None, [])
        if self.stand.choice.failing:
            expected, expected_errors = without_failed(expected, expected_errors, got, errors, oracle.bags)
        found = [*wrong_errors(expected_errors, errors), *differences(expected, got, opaque, oracle.bags)]
        return found, (expected, expected_errors), (got, errors)


@dataclass
class Failure:
    """A document that the product answers differently from the oracle, made as small as possible."""

    choice: Choice
    groups: frozenset[int] | None
    fresh: bool
    when: str
    text: str
    variables: dict[str, Any]
    wrong: list[str]
    expected: Any
    got: Any

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.wrong[0]}" + (f" (and {len(self.wrong) - 1} more)" if len(self.wrong) > 1 else ""),
                f"document: {self.text}",
                f"variables: {self.variables}",
                f"settings: {self.choice}",
                f"caller: {'everyone' if self.groups is None else sorted(self.groups)}; {self.when}"
                + ("; Cache-Control: no-cache" if self.fresh else ""),
                f"expected: {_short(self.expected)}",
                f"got: {_short(self.got)}",
            ]
        )


def _short(value: Any) -> str:
    text = repr(value).replace("\\x00", "").replace("\\x1f", "/")
    return text if len(text) < 3000 else f"{text[:3000]} …"


@dataclass
class Run:
    """A run of so many documents. `counted` says how many were compared, of which kinds."""

    seed: str
    documents: int
    known: frozenset[str] = frozenset(KNOWN)
    compared: int = 0
    failures: list[Failure] = field(default_factory=list)

    def over(self, shared: Stands, most_failures: int = 1) -> Iterator[Failure]:
        """The failures, as they are found."""
        number = found = 0
        while self.compared < self.documents:
            choice = draw(f"{self.seed}/{number}", self.known)
            number += 1
            with shared.open(choice) as stand:
                for failure in self._stand(stand):
                    found += 1
                    yield failure
                    if found >= most_failures:
                        return

    def _stand(self, stand: Stand) -> Iterator[Failure]:
        chance = random.Random(f"{stand.choice.seed} documents")
        zones = [stand.choice.business_zone, stand.choice.zone, stand.choice.log_zone]
        opaque = {groups: Opaque() for groups in AUDIENCES}
        late = DOCUMENTS_OF_A_STAND - 3 if "late rows" not in self.known else DOCUMENTS_OF_A_STAND
        questions: list[tuple[frozenset[int] | None, Question]] = []
        for place in range(DOCUMENTS_OF_A_STAND):
            if place == late:
                stand.system.business.book_late(chance)
            groups = chance.choice(AUDIENCES) if chance.random() < 0.4 else None
            documents = Documents(chance, stand.system.business, zones, opaque[groups], stand.choice.focus, self.known)
            if place >= late:  # what was read before the late rows is read again
                groups, question = chance.choice(questions)
            else:
                question = _valid(documents)
                questions.append((groups, question))
            times = chance.choice((1, 1, 2))
            for time in range(times):
                case = Case(stand, question, groups, fresh=place >= late and time == 0)
                yield from self._case(case, opaque[groups], "again" if time else "first")

    def _case(self, case: Case, opaque: Opaque, when: str) -> Iterator[Failure]:
        for page in range(MOST_PAGES):
            self.compared += 1
            wrong, expected, got = case.wrong(opaque)
            if complaints := case.stand.system.complaints:
                wrong = [f"the upstreams complain: {complaints[0]}"]
                complaints.clear()
            if wrong:
                yield _shrunk(case, opaque, f"{when}, page {page}" if page else when, wrong, expected, got)
                return
            after = _next(case.question, got[0])
            if after is None:
                return
            question = Question(case.question.text, {**case.question.variables, "after": after}, case.question.page)
            case = Case(case.stand, question, case.groups, case.fresh)


def _valid(documents: Documents) -> Question:
    """A document that is valid: fragments on a union may ask for two kinds of value under one name."""
    while True:
        question = documents.next()
        if not validate(GRAPH, parse(question.text)):
            return question


def _next(question: Question, data: Any) -> str | None:
    """The cursor of the next page of a walk."""
    if question.page is None:
        return None
    for name in question.page:
        data = data[name]
        if data is None:
            return None
    info = data["pageInfo"]
    return info["endCursor"] if info["hasNextPage"] else None


def _shrunk(case: Case, opaque: Opaque, when: str, wrong: list[str], expected: Any, got: Any) -> Failure:
    """Return the failure of the smallest document that still differs."""
    best, tries = case, 0
    shorter = True
    while shorter and tries < MOST_TRIES:
        shorter = False
        for text in _smaller(best.question.text):
            if tries >= MOST_TRIES:
                break
            tries += 1
            if validate(GRAPH, parse(text)):
                continue
            variables = {name: value for name, value in best.question.variables.items() if f"${name}" in text}
            tried = Case(case.stand, Question(text, variables), case.groups, case.fresh)
            try:
                found, wanted, answered = tried.wrong(opaque)
            except Exception:
                continue
            if found:
                best, wrong, expected, got, shorter = tried, found, wanted, answered, True
                break
    return Failure(
        case.stand.choice, case.groups, case.fresh, when, best.question.text, best.question.variables, wrong, expected,
        got,
    )  # fmt: skip


def _smaller(text: str) -> Iterator[str]:
    """The document without one of its selections, or without one argument, the larger parts first."""
    document = parse(text)
    places: list[Any] = []

    class Collect(Visitor):
        def enter(self, node: Any, *_: Any) -> None:
            if isinstance(node, SelectionSetNode) and len(node.selections) > 1:
                places.extend((node, each) for each in node.selections)

    visit(document, Collect())
    for owner, gone in places:

        class Drop(Visitor):
            def enter(self, node: Any, *_: Any, owner: Any = owner, gone: Any = gone) -> Any:
                if node is owner:
                    return SelectionSetNode(selections=tuple(each for each in node.selections if each is not gone))
                return None

        yield _tidy(print_ast(visit(document, Drop())))


def _tidy(text: str) -> str:
    """The document without fragments and variables that are used no more."""
    while True:
        document = parse(text)
        used: set[str] = set()

        class Collect(Visitor):
            def enter(self, node: Any, *_: Any, used: set[str] = used) -> Any:
                if isinstance(node, VariableDefinitionNode):
                    return SKIP
                if isinstance(node, VariableNode):
                    used.add(f"${node.name.value}")
                if isinstance(node, FragmentSpreadNode):
                    used.add(node.name.value)
                return None

        class Drop(Visitor):
            def enter(self, node: Any, *_: Any, used: set[str] = used) -> Any:
                if isinstance(node, VariableDefinitionNode) and f"${node.variable.name.value}" not in used:
                    return REMOVE
                if isinstance(node, FragmentDefinitionNode) and node.name.value not in used:
                    return REMOVE
                return None

        visit(document, Collect())
        shorter = print_ast(visit(document, Drop()))
        if shorter == text:
            return text
        text = shorter
