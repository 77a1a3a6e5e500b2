"""Read the operation of an HTTP request by the GraphQL-over-HTTP specification. Raises RequestError.

A request that cannot be read has the status 400. JSON of a wrong shape has the status 422.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from server.execution.complexity import TOO_COMPLEX, check_variables
from server.execution.limits import ORDINARY, Limits
from server.execution.operation import Operation
from server.http.negotiation import JSON, is_json
from server.http.request_error import RequestError

# The parameters of a request and their types. All may be missing or null, but a request has a query or names one.
PARAMETERS = {"query": str, "operationName": str, "variables": dict, "extensions": dict, "documentId": str}
_TYPES = tuple(PARAMETERS.items())
_KINDS = {str: "a string", dict: "an object"}


# The operations of a batch. An error stands for one that cannot be read.
Batch = list[Operation | RequestError]


def from_body(
    body: bytes, content_type: str | None, limits: Limits = ORDINARY, most_batched: int = 0
) -> Operation | Batch:
    """Return the operation of a POST, or up to `most_batched` operations of a batch."""
    if content_type != JSON and (content_type is None or not is_json(content_type)):
        raise RequestError(
            415, "UNSUPPORTED_MEDIA_TYPE", "Send the request as Content-Type: application/json, in UTF-8.",
            {"Accept": "application/json"},
        )  # fmt: skip
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _bad(f"The request's body is not JSON: {error.msg}.") from None
    if isinstance(given, list):
        return _batch(given, limits, most_batched)
    if not isinstance(given, dict):
        raise _misshapen("The request's body must be a JSON object with a query in it.")
    return from_members(given, limits)


def _batch(given: list[Any], limits: Limits, most: int) -> Batch:
    if not most:
        message = "Batches are not served: send one operation a request. MAX_BATCHED_OPERATIONS turns them on."
        raise RequestError(422, "BATCHING_NOT_SUPPORTED", message)
    if not given or not all(isinstance(one, dict) for one in given):
        raise _misshapen("A batch must be a JSON array of one object or more.")
    if len(given) > most:
        raise RequestError(422, TOO_COMPLEX, f"The batch has {len(given)} operations; up to {most} are allowed.")
    found: Batch = []
    for one in given:
        try:
            found.append(from_members(one, limits))
        except RequestError as error:
            found.append(error)
    operations = [one for one in found if isinstance(one, Operation)]
    check_variables((value for one in operations for value in (one.variables, one.extensions)), limits)
    length = sum(len(one.text) for one in operations)
    if length > limits.characters:
        message = f"The documents of the batch are longer than {limits.characters} characters together."
        raise RequestError(422, TOO_COMPLEX, message)
    return found


def from_query_string(query_string: bytes, limits: Limits = ORDINARY) -> Operation:
    """Return the operation of a GET. Its variables and extensions are JSON texts."""
    if len(query_string) > limits.address_bytes:
        most = f"The address's parameters are longer than {limits.address_bytes} bytes: send them by POST."
        raise RequestError(414, "URI_TOO_LONG", most)
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100
        )  # fmt: skip
    except ValueError:  # also an error of decoding
        raise _bad("The address's parameters are not in UTF-8, or there are too many of them.") from None
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name not in PARAMETERS:
            continue
        if name in given:
            raise _bad(f"The parameter {name} is given twice.")
        if PARAMETERS[name] is dict:
            try:
                given[name] = orjson.loads(value) if value else None
            except orjson.JSONDecodeError as error:
                raise _bad(f"The parameter {name} is not JSON: {error.msg}.") from None
        else:
            given[name] = value or None
    return from_members(given, limits)


def from_members(given: Mapping[str, Any], limits: Limits = ORDINARY) -> Operation:
    """Return the operation of the members of a request."""
    text, operation_name, variables, extensions, document_id = values = list(map(given.get, PARAMETERS))
    for value, (name, kind) in zip(values, _TYPES, strict=True):
        if value is not None and type(value) is not kind:  # JSON has no subtypes
            raise _misshapen(f"The parameter {name} must be {_KINDS[kind]}.")
    extensions = extensions or {}
    if (text is None or not text.strip()) and not document_id and "persistedQuery" not in extensions:
        raise _misshapen("The request has no query.")
    variables = variables or {}
    if variables or extensions:
        check_variables((variables, extensions), limits)
    return Operation(
        text or "", operation_name or None, variables, extensions, document_id=document_id or None
    )  # fmt: skip


def _bad(message: str) -> RequestError:
    return RequestError(400, "BAD_REQUEST", message)


def _misshapen(message: str) -> RequestError:
    return RequestError(422, "BAD_REQUEST", message)
