"""One operation: what is to run, for which caller, and what the request says about itself."""

from typing import Any

import msgspec

from resolvers.caller import EVERYONE, Caller
from server.execution.request_options import NOTHING, RequestOptions


class Operation(msgspec.Struct, frozen=True):
    """A document, the name of its operation, the variables, the caller, and the options of the request.

    With `whole`, lists without paging arguments are complete. Only the server itself sets it, for tables. `document_id`
    names a registered document, as long as the operation has no text.
    """

    text: str
    name: str | None = None
    variables: dict[str, Any] = msgspec.field(default_factory=dict)
    extensions: dict[str, Any] = msgspec.field(default_factory=dict)
    options: RequestOptions = NOTHING
    caller: Caller = EVERYONE
    whole: bool = False
    document_id: str | None = None

    def by(self, caller: Caller, options: RequestOptions) -> "Operation":
        """Return the same operation for a caller and its options."""
        if caller is self.caller and options is self.options:
            return self
        return Operation(self.text, self.name, self.variables, self.extensions, options, caller, self.whole)
