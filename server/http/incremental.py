"""Send an answer in parts: `multipart/mixed`, with a part for what is there first and one for each later delivery.

Clients read one of two formats. Both describe the same parts; a request names the format in its header Accept.

| format | a later part | errors of a part that failed |
|---|---|---|
| `deferSpec=20220824` | `{"incremental": [{"data", "path", "label"}], "hasNext"}` | beside `"data": null` |
| `incrementalSpec=v0.2` | `{"incremental": [{"id", "data"}], "completed": [{"id"}], "hasNext"}` | in `completed` |
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from starlette.types import Send

from engine.parts import Part, Pending
from server.http.negotiation import DEFER_2022, INCREMENTAL_0_2, MULTIPART, incremental_format
from server.http.request_error import Errors
from server.http.writing import in_turns, too_long

BOUNDARY = "-"
_DELIMITER = b"\r\n---"
_PART = b"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
_END = b"--\r\n"


class IncrementalAnswer:
    """Sends the parts of one answer. `most` is the maximum of the bytes of all parts."""

    @classmethod
    def of(cls, accept: str | None, send: Send, most: int) -> Self | None:
        """Return the answer to a client that accepts one of the formats; None for any other client."""
        found = incremental_format(accept)
        return None if found is None else cls(found, send, most)

    def __init__(self, format: str, send: Send, most: int) -> None:
        self._payload = _PAYLOADS[format]
        self._send = send
        self._left: int | None = most
        self._most = most
        self._pending: dict[int, Pending] = {}
        self._head = (
            (b"content-type", f'{MULTIPART}; boundary="{BOUNDARY}"; {format}'.encode()),
            (b"vary", b"Accept"),
            (b"cache-control", b"no-store"),
        )
        self.started = False
        self.ended = False
        self._writing = False

    async def __call__(self, parts: Sequence[Part], extensions: dict[str, Any], /, *, last: bool) -> None:
        """Send parts; the `last` ones with the extensions of the answer."""
        first = [part for part in parts if part.pending is None]
        rest = parts[len(first) :]
        for some, more in ((first, bool(rest)), (rest, False)):
            if some:
                ends = last and not more
                payload = self._payload(some)
                if extensions and ends:
                    payload["extensions"] = extensions
                await self._write(payload | {"hasNext": not ends})
                for part in some:
                    self._pending |= {one.number: one for one in part.announced}
                    if part.pending is not None:
                        del self._pending[part.pending.number]
        if last:
            await self._end()

    async def fail(self, errors: Errors) -> None:
        """End an answer whose other parts cannot be sent, with these errors for each of them.

        If it was interrupted within a part, nothing can follow. The server then closes the connection.
        """
        if not self.ended and not self._writing:
            self._left = None
            parts = [Part(pending, None, errors, []) for pending in self._pending.values()]
            await self._write(self._payload(parts) | {"hasNext": False})
            await self._end()

    async def _write(self, payload: dict[str, Any]) -> None:
        pieces = await in_turns(payload, self._left)
        if self._left is not None:
            self._left -= sum(map(len, pieces))
            if self._left < 0:
                raise too_long(self._most)
        # Clients read a part when they see the delimiter after it, so the delimiter does not wait for the next part.
        pieces[0] = _PART + pieces[0]
        pieces[-1] += _DELIMITER
        if not self.started:
            self.started = True
            pieces[0] = _DELIMITER + pieces[0]
            await self._send({"type": "http.response.start", "status": 200, "headers": self._head})
        self._writing = True
        for piece in pieces:
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        self._writing = False

    async def _end(self) -> None:
        self.ended = True
        await self._send({"type": "http.response.body", "body": _END})


def _defer_2022(parts: Sequence[Part]) -> dict[str, Any]:
    first = parts[0] if parts else None
    if first is not None and first.pending is None:
        return {**_errors(first), "data": first.data}
    return {
        "incremental": [
            {"data": part.data, "path": part.pending.place, **_label(part.pending), **_errors(part)}
            for part in parts
            if part.pending is not None
        ]
    }


def _incremental_0_2(parts: Sequence[Part]) -> dict[str, Any]:
    announced = [{"id": str(one.number), "path": one.place, **_label(one)} for part in parts for one in part.announced]
    payload: dict[str, Any] = {"pending": announced} if announced else {}
    first = parts[0] if parts else None
    if first is not None and first.pending is None:
        return {**_errors(first), "data": first.data, **payload}
    incremental, completed = [], []
    for part in parts:
        assert part.pending is not None
        id = {"id": str(part.pending.number)}
        if part.data is None:
            completed.append(id | _errors(part))
        else:
            incremental.append({**id, "data": part.data, **_errors(part)})
            completed.append(id)
    if incremental:
        payload["incremental"] = incremental
    return payload | {"completed": completed}


def _label(pending: Pending) -> Mapping[str, Any]:
    return {} if pending.label is None else {"label": pending.label}


def _errors(part: Part) -> dict[str, Any]:
    return {"errors": part.errors} if part.errors else {}


_PAYLOADS = {DEFER_2022: _defer_2022, INCREMENTAL_0_2: _incremental_0_2}
