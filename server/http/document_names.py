"""Name documents for the log: by the beginning of their hash, and the kind and name of their operations."""

from typing import NamedTuple

from server.execution.documents import LONGEST_CACHED, Documents
from server.execution.persisted.manifests import hash_of

# So many characters of the SHA-256, with which the id of a persisted document also begins.
SHOWN = 16
MOST_NAMES = 2000


class NamedDocument(NamedTuple):
    """The facts about a document for the log, and those about each operation, by their names in requests."""

    document: dict[str, str]
    operations: dict[str | None, dict[str, str]]


class DocumentNames(dict[str, NamedDocument]):
    """The names of documents, by their texts. A look at a known text costs no call."""

    def __init__(self, documents: Documents) -> None:
        super().__init__()
        self._documents = documents

    def __missing__(self, text: str) -> NamedDocument:
        """Return the names of a new document, and keep them. The document is prepared, as its run needs it anyway."""
        document = {"document": hash_of(text)[:SHOWN]}
        if len(text) > LONGEST_CACHED:  # it would be prepared again for its run
            return NamedDocument(document, {})
        operations = {
            key: {**document, "kind": node.operation.value, **({"operation": node.name.value} if node.name else {})}
            for key, node in self._documents.prepare(text).operations.items()
        }
        if len(self) >= MOST_NAMES:
            self.clear()
        found = self[text] = NamedDocument(document, operations)
        return found
