"""One operation: what is to run, for which caller, and what the request says about itself."""

from dataclasses import dataclass, field
from typing import Any

from resolvers.caller import EVERYONE, Caller
from server.execution.request_options import NOTHING, RequestOptions


@dataclass(frozen=True, slots=True)
class Operation:
    """A document, which of its operations to run, with what, for whom, and what the request asks about itself.

    `whole` lists have no pages where the document asks for none: only the server itself asks so, for tables.
    """

    text: str
    name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    extensions: dict[str, Any] = field(default_factory=dict)
    asked: RequestOptions = NOTHING
    caller: Caller = EVERYONE
    whole: bool = False

    def by(self, caller: Caller, asked: RequestOptions) -> "Operation":
        """The same, as a caller asks it."""
        if caller is self.caller and asked is self.asked:
            return self
        return Operation(self.text, self.name, self.variables, self.extensions, asked, caller, self.whole)
