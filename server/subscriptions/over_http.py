"""Subscriptions as the answer to a POST or a GET: Server-Sent Events, and the multipart protocol of Apollo."""

from collections.abc import AsyncGenerator

from starlette.types import Receive, Scope, Send

from server.auth.authenticator import Authenticator
from server.execution.execution import Outcome
from server.execution.operation import Operation
from server.http.request_error import RequestError
from server.http.request_facts import facts_of
from server.http.writing import encode
from server.subscriptions.ending import SubscriptionEnded
from server.subscriptions.framing import FRAMINGS
from server.subscriptions.http_stream import send_stream
from server.subscriptions.subscriptions import Subscribing, Subscriptions
from upstream.resilience.queue import QUEUE_CALLER

# The status of a subscription that did not begin, by the code of its error.
STATUSES = {"TOO_MANY_SUBSCRIPTIONS": 429, "SERVER_DRAINING": 503}
RETRY_SECONDS = "5"


class SubscriptionStreams:
    """Answers subscriptions over HTTP."""

    def __init__(self, subscriptions: Subscriptions, authenticator: Authenticator) -> None:
        self.subscriptions = subscriptions
        self._authenticator = authenticator

    def subscribing(self, scope: Scope) -> Subscribing:
        """Return who sends an authenticated request."""
        return Subscribing(QUEUE_CALLER.get().name, self._authenticator.expiry(scope))

    async def subscribe(self, operation: Operation, kind: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream of a subscription. Raises RequestError for one subscription too many."""
        try:
            found = await self.subscriptions.subscribe(operation, self.subscribing(scope))
        except SubscriptionEnded as ending:
            raise refusal_of(ending) from None
        if isinstance(found, Outcome):
            await self.once(found, kind, scope, receive, send)
            return
        try:
            await self._send(found.answers(), kind, scope, receive, send)
        finally:
            await self.subscriptions.close(found)

    async def once(self, outcome: Outcome, kind: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a stream with one answer."""
        if outcome.errors:
            facts_of(scope).note_errors(outcome.errors)
        await self._send(one_answer(outcome), kind, scope, receive, send)

    async def _send(
        self, answers: AsyncGenerator[bytes], kind: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        beat = self.subscriptions.config.beat_seconds
        await send_stream(answers, FRAMINGS[kind](), beat, scope, receive, send)


async def one_answer(outcome: Outcome) -> AsyncGenerator[bytes]:
    """Yield the answer of an operation that is no subscription, or of one that did not begin."""
    yield encode(outcome.answer())


def refusal_of(ending: SubscriptionEnded) -> RequestError:
    """Return the refusal of a request whose subscription did not begin."""
    code = ending.errors[0]["extensions"]["code"]
    return RequestError(STATUSES.get(code, 400), code, str(ending), {"Retry-After": RETRY_SECONDS})
