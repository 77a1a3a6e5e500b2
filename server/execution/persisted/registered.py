"""Registered documents: the saved queries and the documents of a folder, by an id instead of their text.

A folder contains documents (`*.graphql`) or manifests of client compilers (`*.json`, see `manifests.py`). A request
names a document by `documentId` or by `extensions.persistedQuery.sha256Hash`. The id is the SHA-256 of the text, with
or without `sha256:` before it, the id in a manifest, or the name of a saved query. With `only`, no other document runs.
Introspection still runs, if it is on. Otherwise the server may learn documents from its clients (`learned.py`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from server.execution.documents import Documents
from server.execution.operation import Operation
from server.execution.persisted.learned import LearnedDocuments
from server.execution.persisted.manifests import PREFIX, hash_of
from server.execution.saved import BrokenQuery, SavedQuery
from server.http.request_error import RequestError

NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"


class RegisteredDocuments:
    """The registered documents, by their ids, and those that the server `learned`, if it does that."""

    def __init__(
        self,
        documents: Mapping[str, str] | None = None,
        *,
        only: bool = False,
        learned: LearnedDocuments | None = None,
    ) -> None:
        self._texts = dict(documents or {})
        self._known = {text.strip() for text in self._texts.values()}
        self._only = only
        self._learned = None if only else learned

    def __len__(self) -> int:
        return len(self._texts)

    def check(self, documents: Documents) -> None:
        """Raise BrokenQuery for the first document that cannot run."""
        for id, text in self._texts.items():
            errors = documents.prepare(text).errors
            if errors:
                raise BrokenQuery(f"the registered document {id[:16]} cannot run: {errors[0]['message']}")

    def takes(self, operation: Operation) -> bool:
        """Return whether an operation runs as it is: it names no document, and every document may run."""
        return not (self._only or operation.extensions or operation.document_id)

    async def resolve(self, operation: Operation, documents: Documents) -> Operation:
        """Return an operation with its text, which may run here. Raises RequestError."""
        if operation.document_id is not None or operation.extensions:
            operation = await self.named(operation, documents)
        self.permit(operation, documents)
        return operation

    async def named(self, operation: Operation, documents: Documents) -> Operation:
        """Return the operation with the text of the document that it names. Raises RequestError."""
        hash = _hash(operation.extensions)
        named = hash if operation.document_id is None else operation.document_id.removeprefix(PREFIX)
        if named is None:
            return operation
        if hash not in (None, named):
            raise _bad("documentId and extensions.persistedQuery.sha256Hash name two documents.")
        text = operation.text
        if not text:
            found = self._texts.get(named)
            if found is None and self._learned is not None:
                found = await self._learned.get(named)
            if found is None:
                # Clients of Apollo look for this message in an answer with the status 200, and send the text.
                raise RequestError(422 if hash is None else 200, NOT_FOUND, "PersistedQueryNotFound")
            return msgspec.structs.replace(operation, text=found)
        registered = self._texts.get(named)
        if registered != text and named != hash_of(text):
            which = "documentId" if hash is None else "extensions.persistedQuery.sha256Hash"
            raise _bad(f"{which} is not that of the query.")
        teaches = hash is not None and registered is None
        if teaches and self._learned is not None and not documents.prepare(text).errors:
            await self._learned.learn(named, text)
        return operation

    def permit(self, operation: Operation, documents: Documents) -> None:
        """Raise RequestError for a document that may not run here."""
        if self._only and operation.text.strip() not in self._known:
            document = documents.prepare(operation.text).operation(operation.name)
            if document is None or not introspects(document):
                raise RequestError(403, "DOCUMENT_NOT_REGISTERED", "Only saved and registered documents run here.")


def introspects(operation: Any) -> bool:
    """Return whether an operation requests only the schema."""
    return all(node.kind == "field" and node.name.value.startswith("__") for node in operation.selection_set.selections)


def of_saved(saved: Iterable[SavedQuery]) -> dict[str, str]:
    """Return the texts of saved queries by their names and by their hashes."""
    return {id: one.text for one in saved for id in (one.name, hash_of(one.text))}


def _hash(extensions: Mapping[str, Any]) -> str | None:
    given = extensions.get("persistedQuery")
    if given is None:
        return None
    named = given.get("sha256Hash") if isinstance(given, dict) else None
    if not isinstance(named, str) or not named:
        raise _bad('extensions.persistedQuery must be as {"version": 1, "sha256Hash": "…"}.')
    return named.removeprefix(PREFIX)


def _bad(message: str) -> RequestError:
    return RequestError(400, "BAD_REQUEST", message)
