"""An application over any schema, for tests: the parts of `Services` that a test does not name have their defaults."""

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from strawberry import Schema

from server.app import create_app
from server.execution.execution import Executor
from server.execution.operation import Operation
from server.http.config import HttpConfig
from server.services import Services

EXECUTION = frozenset({"finish", "foresee", "leave", "limits", "settled", "compiled"})
HTTP = frozenset(HttpConfig.__slots__)


def application(schema: Schema, context: Callable[[Operation], Any], **parts: Any) -> Starlette:
    """Return the application. `parts` are options of `Executor` or fields of `HttpConfig` and `Services`."""
    execution = {name: parts.pop(name) for name in EXECUTION & parts.keys()}
    http = {name: parts.pop(name) for name in HTTP & parts.keys()}
    return create_app(Services(Executor(schema, context, **execution), http=HttpConfig(**http), **parts))
