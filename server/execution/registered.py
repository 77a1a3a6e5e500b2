"""Registered documents: the saved queries and the documents of a folder, by their text or its SHA-256.

A folder contains documents (`*.graphql`) or lists from client compilers (`*.json`: ids with their documents). A request
names a registered document by `extensions.persistedQuery.sha256Hash` instead of its text. With `only`, no other
document runs. Introspection still runs, if it is on.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import orjson

from server.execution.documents import Documents
from server.execution.operation import Operation
from server.execution.saved import BrokenQuery
from server.http.request_error import RequestError


class RegisteredDocuments:
    """The registered documents."""

    def __init__(self, documents: Mapping[str, str] | None = None, *, only: bool = False) -> None:
        self._texts = dict(documents or {})
        self._known = {text.strip() for text in self._texts.values()}
        self._only = only

    def __len__(self) -> int:
        return len(self._texts)

    def check(self, documents: Documents) -> None:
        """Raise BrokenQuery for the first document that cannot run."""
        for id, text in self._texts.items():
            errors = documents.prepare(text).errors
            if errors:
                raise BrokenQuery(f"the registered document {id[:16]} cannot run: {errors[0]['message']}")

    def resolve(self, operation: Operation, documents: Documents) -> Operation:
        """Return the operation with the text of its document. Raises RequestError."""
        named = _hash(operation.extensions) if operation.extensions else None
        if not operation.text:
            text = self._texts.get(named) if named is not None else None
            if text is None:
                raise RequestError(
                    400, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"
                )  # the message that clients look for
            return msgspec.structs.replace(operation, text=text)
        if named is not None and named not in (_sha256(operation.text), *self._ids_of(operation.text, named)):
            raise RequestError(400, "BAD_REQUEST", "extensions.persistedQuery.sha256Hash is not that of the query.")
        if self._only and operation.text.strip() not in self._known:
            document = documents.prepare(operation.text).operation(operation.name)
            if document is None or not introspects(document):
                raise RequestError(403, "DOCUMENT_NOT_REGISTERED", "Only saved and registered documents run here.")
        return operation

    def _ids_of(self, text: str, named: str) -> Iterable[str]:
        return (named,) if self._texts.get(named) == text else ()


def introspects(operation: Any) -> bool:
    """Return whether an operation requests only the schema."""
    return all(node.kind == "field" and node.name.value.startswith("__") for node in operation.selection_set.selections)


def by_hash(texts: Iterable[str]) -> dict[str, str]:
    """Return documents by the SHA-256 of their text."""
    return {_sha256(text): text for text in texts}


def read_folder(folder: Path) -> dict[str, str]:
    """Return the documents of a folder by their ids. Raises BrokenQuery."""
    if not folder.is_dir():
        raise BrokenQuery(f"DOCUMENTS_FOLDER names {str(folder)!r}, which is no folder")
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        try:
            if path.suffix in (".graphql", ".gql"):
                found |= by_hash([path.read_text("utf-8")])
            elif path.suffix == ".json":
                listed = orjson.loads(path.read_bytes())
                if not isinstance(listed, dict) or not all(isinstance(text, str) for text in listed.values()):
                    raise BrokenQuery(f'{path}: it must be an object of documents by id: {{"…": "query …"}}')
                found |= listed | by_hash(listed.values())
        except (OSError, ValueError) as error:
            if isinstance(error, BrokenQuery):
                raise
            raise BrokenQuery(f"{path} cannot be read: {error}") from None
    return found


def _hash(extensions: Mapping[str, Any]) -> str | None:
    given = extensions.get("persistedQuery")
    if given is None:
        return None
    named = given.get("sha256Hash") if isinstance(given, dict) else None
    if not isinstance(named, str) or not named:
        raise RequestError(
            400, "BAD_REQUEST", 'extensions.persistedQuery must be as {"version": 1, "sha256Hash": "…"}.'
        )
    return named


def _sha256(text: str) -> str:
    return sha256(text.encode()).hexdigest()
