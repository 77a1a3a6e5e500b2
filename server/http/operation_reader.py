"""Read the operation of an HTTP request by the GraphQL-over-HTTP specification. Raises RequestError.

A request that cannot be read has the status 400. JSON of a wrong shape has the status 422.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from server.execution.complexity import check_variables
from server.execution.limits import ORDINARY, Limits
from server.execution.operation import Operation
from server.http.negotiation import JSON, is_json
from server.http.request_error import RequestError

# The parameters of a request and their types. All may be missing or null, but a request has a query or names one.
PARAMETERS = {"query": str, "operationName": str, "variables": dict, "extensions": dict, "documentId": str}
_TYPES = tuple(PARAMETERS.items())
_KINDS = {str: "a string", dict: "an object"}


def from_body(body: bytes, content_type: str | None, limits: Limits = ORDINARY) -> Operation:
    """Return the operation of a POST."""
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
        raise RequestError(422, "BATCHING_NOT_SUPPORTED", "Batches are not served: send one operation a request.")
    if not isinstance(given, dict):
        raise _misshapen("The request's body must be a JSON object with a query in it.")
    return _operation(given, limits)


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
    return _operation(given, limits)


def _operation(given: Mapping[str, Any], limits: Limits) -> Operation:
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
