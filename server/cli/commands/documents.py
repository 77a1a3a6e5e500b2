"""`gamehub-graph documents`: list and add registered documents."""

from pathlib import Path
from typing import Annotated

import typer

from server.cli.terminal import FAILED, WRONG_USE, announce_json, stop

documents = typer.Typer(help="List and add the documents that clients name by an id.", no_args_is_help=True)


@documents.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="List them as JSON.")] = False) -> None:
    """List the registered documents: the saved queries and those of DOCUMENTS_FOLDER.

    Each line has an id that clients may send, the names of the operations, and the file.

    Exit codes: 0; 1 a file cannot be read; 2 a setting is wrong.
    """
    from server.execution.persisted.manifests import read_file, registered_files
    from server.execution.saved import BrokenQuery, saved_queries
    from server.settings.reading import load

    settings = load()
    try:
        lines = [(one.name, one.text, "saved query") for one in saved_queries()]
        for path in registered_files(settings.documents_folder) if settings.documents_folder is not None else ():
            lines += [(id, text, path.name) for id, text in read_file(path).items()]
    except BrokenQuery as error:
        stop(str(error), FAILED)
    if as_json:
        announce_json([{"id": id, "operations": _operations(text), "file": where} for id, text, where in lines])
        return
    for id, text, where in lines:
        typer.echo(f"{id}\t{','.join(_operations(text))}\t{where}")


@documents.command()
def add(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Documents (`.graphql`), or manifests of Apollo, Relay or codegen (`.json`).", metavar="FILE..."
        ),
    ],
) -> None:
    """Check documents against the schema and the limits, and copy their files to DOCUMENTS_FOLDER.

    Each copy has a name of its own, so the documents of earlier releases of a client stay. A running server reads the
    folder when it starts again.

    Exit codes: 0; 1 a file cannot be read or written, or a document cannot run; 2 an option or a setting is wrong.
    """
    from schema import graph
    from server.execution.documents import prepare
    from server.execution.persisted.manifests import copy_to, read_file, read_folder
    from server.execution.saved import BrokenQuery
    from server.settings.reading import load

    settings = load()
    folder = settings.documents_folder
    if folder is None:
        stop("DOCUMENTS_FOLDER is not set: it names the folder of registered documents", WRONG_USE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        registered = read_folder(folder)
        found = {path: read_file(path) for path in files}
        for path, listed in found.items():
            for id, text in listed.items():
                errors = prepare(graph.schema, text, settings.limits).errors
                if errors:
                    raise BrokenQuery(f"{path}: the document {id[:16]} cannot run: {errors[0]['message']}")
                if registered.setdefault(id, text) != text:
                    raise BrokenQuery(f"{path}: there is another document with the id {id[:80]!r}")
        for path in found:
            copy_to(folder, path)
    except BrokenQuery as error:
        stop(str(error), FAILED)
    except OSError as error:
        stop(f"{error.filename or folder} cannot be written: {error.strerror}", FAILED)
    for listed in found.values():
        for id, text in listed.items():
            typer.echo(f"{id}\t{','.join(_operations(text))}")


def _operations(text: str) -> list[str]:
    from graphql import OperationDefinitionNode, parse

    nodes = (node for node in parse(text).definitions if isinstance(node, OperationDefinitionNode))
    return [node.name.value if node.name else "-" for node in nodes]
