"""Read the documents of a folder: documents, and the manifests that client compilers write.

| file                            | written by                                  | form                               |
|---------------------------------|---------------------------------------------|------------------------------------|
| `*.graphql`, `*.gql`            | people                                      | a document                         |
| `persisted-query-manifest.json` | `@apollo/generate-persisted-query-manifest` | `{"format": …, "operations": […]}` |
| `persisted_queries.json`        | `relay-compiler` (`persistConfig.file`)     | documents by id                    |
| `persisted-documents.json`      | `@graphql-codegen/client-preset`            | documents by id, with `sha256:`    |

The names of the files are free.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import orjson

from server.execution.saved import BrokenQuery

# An id with this prefix is the SHA-256 of the text (appendix "Persisted documents" of GraphQL over HTTP).
PREFIX = "sha256:"
APOLLO = "apollo-persisted-query-manifest"
DOCUMENTS = (".graphql", ".gql")
MANIFEST = ".json"


def hash_of(text: str) -> str:
    """Return the SHA-256 of a document."""
    return sha256(text.encode()).hexdigest()


def by_hash(texts: Iterable[str]) -> dict[str, str]:
    """Return documents by the SHA-256 of their text."""
    return {hash_of(text): text for text in texts}


def read_folder(folder: Path) -> dict[str, str]:
    """Return the documents of a folder by their ids, and by their hashes. Raises BrokenQuery."""
    found: dict[str, str] = {}
    for path in registered_files(folder):
        for id, text in read_file(path).items():
            if found.setdefault(id, text) != text:
                raise BrokenQuery(f"{path}: another file has another document with the id {id[:80]!r}")
    return found


def registered_files(folder: Path) -> list[Path]:
    """Return the files of a folder that hold documents. Raises BrokenQuery."""
    if not folder.is_dir():
        raise BrokenQuery(f"DOCUMENTS_FOLDER names {str(folder)!r}, which is no folder")
    return [path for path in sorted(folder.iterdir()) if path.suffix in (*DOCUMENTS, MANIFEST)]


def copy_to(folder: Path, path: Path) -> Path:
    """Copy a file into the folder and return the copy. Its name contains the hash of its content. Raises OSError."""
    content = path.read_bytes()
    target = folder / f"{path.stem}-{sha256(content).hexdigest()[:12]}{path.suffix}"
    # A server that starts meanwhile sees the whole file, or none.
    with NamedTemporaryFile(dir=folder, prefix=".", suffix=".part", delete=False) as part:
        part.write(content)
    Path(part.name).chmod(0o644)
    Path(part.name).replace(target)
    return target


def read_file(path: Path) -> dict[str, str]:
    """Return the documents of a file by their ids, and by their hashes. Raises BrokenQuery."""
    if path.suffix not in (*DOCUMENTS, MANIFEST):
        raise BrokenQuery(f"{path} is neither a document (.graphql) nor a manifest (.json)")
    try:
        if path.suffix in DOCUMENTS:
            return by_hash([path.read_text("utf-8")])
        listed = dict(_listed(path, orjson.loads(path.read_bytes())))
    except (OSError, ValueError) as error:
        if isinstance(error, BrokenQuery):
            raise
        raise BrokenQuery(f"{path} cannot be read: {error}") from None
    return by_hash(listed.values()) | listed


def _listed(path: Path, content: Any) -> Iterator[tuple[str, str]]:
    """Yield the ids and documents of a manifest. Raises BrokenQuery."""
    if isinstance(content, dict) and content.get("format") == APOLLO:
        if content.get("version") != 1:
            raise BrokenQuery(f"{path}: version {content.get('version')} of this manifest is not known; 1 is")
        operations = content.get("operations")
        if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
            raise BrokenQuery(f"{path}: the manifest has no list of operations")
        pairs = [(one.get("id"), one.get("body")) for one in operations]
    elif isinstance(content, dict):
        pairs = list(content.items())
    else:
        pairs = [(None, None)]
    for id, text in pairs:
        if not isinstance(id, str) or not isinstance(text, str):
            raise BrokenQuery(
                f'{path}: it must be an object of documents by id, {{"…": "query …"}}, or a manifest of Apollo'
            )
        plain = id.removeprefix(PREFIX)
        if plain != id and plain != hash_of(text):
            raise BrokenQuery(f"{path}: {id[:80]} is not the SHA-256 of its document")
        yield plain, text
