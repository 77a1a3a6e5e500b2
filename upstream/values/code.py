"""Read a code, such as a ticket's or a partner's id: a text, or a whole number instead (C13)."""

# The texts that mean "none".
NO_CODES = frozenset({"", "0"})


def code_or_none(value: int | str | None) -> str | None:
    """Return a code, or None for the ways to write "none"."""
    if value is None:
        return None
    text = str(value)
    return None if text in NO_CODES else text
