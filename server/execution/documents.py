"""Parse and validate documents once. Later requests with the same text use the cached document."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import DocumentNode, GraphQLSyntaxError, NameNode, OperationDefinitionNode, Token, TokenKind, parse
from graphql.language.ast import QUERY_DOCUMENT_KEYS
from strawberry import Schema
from strawberry.extensions import SchemaExtension

from engine.bounded_cache import BoundedCache
from engine.divide import INCREMENTAL, without_incremental
from server.execution.complexity import TOO_COMPLEX, TooComplex, check_document, check_text
from server.execution.limits import ORDINARY, Limits
from server.execution.validation import coded, validate
from server.http.request_error import Errors, error

MOST_DOCUMENTS = 1000
MOST_CHARACTERS = 250_000  # a tree takes about a hundred times the memory of its text
LONGEST_CACHED = 100_000
SYNTAX = "GRAPHQL_PARSE_FAILED"


@dataclass(frozen=True, slots=True)
class Document:
    """A document that may run, or the errors that prevent it.

    `tree` has no `@defer` and no `@stream`: it runs as a whole. `divisible` has them; None if the document has none.
    `operations` are its operations by name. If it has only one, None names this one as well.
    """

    text: str
    tree: DocumentNode | None = None
    operations: Mapping[str | None, OperationDefinitionNode] = field(default_factory=dict)
    errors: Errors = field(default_factory=list)
    divisible: DocumentNode | None = None

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """Return the operation of a name, or the only operation if the name is None."""
        return self.operations.get(name)


class Documents:
    """The documents of one schema. The most recently used ones are cached, limited in number and in characters."""

    def __init__(
        self,
        schema: Schema,
        limits: Limits = ORDINARY,
        most: int = MOST_DOCUMENTS,
        most_characters: int = MOST_CHARACTERS,
    ) -> None:
        self._schema = schema
        self._limits = limits
        self._cached: BoundedCache[str, Document] = BoundedCache(most, most_characters)
        if PreparedOperation not in schema.extensions:
            schema.extensions = (*schema.extensions, PreparedOperation)

    def __len__(self) -> int:
        return len(self._cached)

    def prepare(self, text: str) -> Document:
        """Return the document of a text, from the cache or newly parsed and validated."""
        document = self._cached.get(text)
        if document is not None:
            return document
        document = prepare(self._schema, text, self._limits)
        self._keep(document)
        return document

    def keep(self, documents: Iterable[Document], limits: Limits) -> None:
        """Cache documents that were prepared elsewhere, if the limits were the same."""
        if limits == self._limits:
            for document in documents:
                self._keep(document)

    def _keep(self, document: Document) -> None:
        if len(document.text) <= LONGEST_CACHED:
            self._cached.keep(document.text, document, len(document.text))


def prepare(schema: Schema, text: str, limits: Limits = ORDINARY) -> Document:
    """Return the document of a text: parsed, measured and validated."""
    try:
        check_text(text, limits)
        tree = parse(text, max_lexical_tokens=limits.tokens, max_comments=limits.comments)
        unchain(tree)
        check_document(tree, limits)
    except GraphQLSyntaxError as problem:
        if "Parsing aborted" in problem.message:  # its own word for what is no error of syntax
            return _refused(text, _aborted(problem.message, limits))
        return Document(text, errors=[coded(problem, SYNTAX)])
    except TooComplex as problem:
        return _refused(text, str(problem), problem.code)
    errors = validate(schema._schema, tree, limits)
    if errors:
        return Document(text, errors=errors)
    divisible = None
    if any(directive.name in text for directive in INCREMENTAL):
        slim(tree)
        divisible, tree = tree, without_incremental(tree)
    operations: dict[str | None, OperationDefinitionNode] = {
        node.name.value if node.name else None: node
        for node in tree.definitions
        if isinstance(node, OperationDefinitionNode)
    }
    if len(operations) == 1:
        operations |= dict.fromkeys((None,), *operations.values())
    slim(tree)
    return Document(text, tree, operations, divisible=divisible if divisible is not tree else None)


def unchain(tree: DocumentNode) -> None:
    """Cut the chain of the tokens of a tree, which refer to each other, so that a dropped tree is freed at once."""
    token: Any = tree.loc.start_token if tree.loc is not None else None
    while token is not None:
        following = token.next
        token.prev = token.next = None
        token = following


def slim(tree: DocumentNode) -> None:
    """Drop what a valid tree no longer needs: its tokens and the locations of names.

    Each full garbage collection scans the cached trees, so they should be small.
    """
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, NameNode):
            vars(node)["loc"] = None
            continue
        if node.loc is not None:
            node.loc.start_token = node.loc.end_token = _NO_TOKEN
        for key in QUERY_DOCUMENT_KEYS.get(node.kind, ()):
            below = getattr(node, key)
            if isinstance(below, tuple | list):
                waiting += below
            elif below is not None:
                waiting.append(below)


_NO_TOKEN = Token(TokenKind.SOF, 0, 0, 0, 0)


def _refused(text: str, message: str, code: str = TOO_COMPLEX) -> Document:
    return Document(text, errors=[error(message, code)])


def _aborted(message: str, limits: Limits) -> str:
    if "tokens" in message:
        return f"The document has more than {limits.tokens} tokens."
    if "comments" in message:
        return f"The document has more than {limits.comments} comments."
    return "The document is nested too deeply."


class DocumentText(str):
    """The text of a document for Strawberry, together with the document."""

    __slots__ = ("document",)
    document: Document


class PreparedOperation(SchemaExtension):
    """Make Strawberry run a document that is parsed and validated already."""

    def on_parse(self) -> Iterator[None]:
        text = self.execution_context.query
        if isinstance(text, DocumentText):
            self.execution_context.graphql_document = text.document.tree
        yield

    def on_validate(self) -> Iterator[None]:
        if isinstance(self.execution_context.query, DocumentText):
            self.execution_context.pre_execution_errors = []
        yield
