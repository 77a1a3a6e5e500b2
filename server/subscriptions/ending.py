"""Why a subscription ended before its client wanted it to."""

from server.http.request_error import Errors, error


class SubscriptionEnded(Exception):
    """A subscription is over, or did not begin. The client receives the errors.

    `close_code` closes a WebSocket: the reason concerns its client, not only this subscription. If `again`, the client
    should subscribe again, so the stream ends like a lost connection.
    """

    def __init__(self, errors: Errors, close_code: int | None = None, *, again: bool = False) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors
        self.close_code = close_code
        self.again = again

    def after(self, place: str | None) -> "SubscriptionEnded":
        """Return the same ending with the place from which the client can go on."""
        if place is None:
            return self
        errors: Errors = [{**one, "extensions": {**one["extensions"], "after": place}} for one in self.errors]
        return SubscriptionEnded(errors, self.close_code, again=self.again)


def ended(message: str, code: str, close_code: int | None = None, *, again: bool = False) -> SubscriptionEnded:
    """Return the ending with one error."""
    return SubscriptionEnded([error(message, code)], close_code, again=again)


def draining() -> SubscriptionEnded:
    """Return the ending for a server that stops."""
    return ended("This server stops. Subscribe again.", "SERVER_DRAINING", 1012, again=True)


def slow(most: int) -> SubscriptionEnded:
    """Return the ending for a client that does not read fast enough."""
    return ended(f"More than {most} events wait for this client: it reads too slowly.", "SLOW_READER")


def credential_over() -> SubscriptionEnded:
    """Return the ending for a key or a token that is no longer valid."""
    return ended("The key or token was revoked, or has expired.", "UNAUTHENTICATED", 4403)


def too_many(message: str) -> SubscriptionEnded:
    """Return the ending for one subscription too many."""
    return ended(message, "TOO_MANY_SUBSCRIPTIONS")
