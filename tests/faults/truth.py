"""Check answers while an upstream lies or fails: they are the truth, or an error with a code, and nothing else."""

from typing import Any

CODES = {
    "NOT_FOUND",
    "OVERLOADED",
    "UPSTREAM_CONTRACT",
    "UPSTREAM_ERROR",
    "UPSTREAM_INCOMPLETE",
    "UPSTREAM_MALFORMED",
    "UPSTREAM_UNAUTHENTICATED",
    "UPSTREAM_UNAVAILABLE",
}


def untrue(answer: dict[str, Any], truth: dict[str, Any]) -> list[str]:
    """Yield every place at which an answer differs from the truth without an error."""
    errors = answer.get("errors", [])
    wrong = [f"code {error['extensions']['code']}" for error in errors if error["extensions"]["code"] not in CODES]
    excused = [tuple(error["path"]) for error in errors]
    return wrong + list(_differences(answer.get("data"), truth["data"], (), excused))


def _differences(found: Any, truth: Any, path: tuple[Any, ...], excused: list[tuple[Any, ...]]) -> list[str]:
    if found == truth:
        return []
    if found is None:
        # A failed field is null, and so is what cannot be without it.
        return [] if any(each[: len(path)] == path for each in excused) else [f"{path}: null without an error"]
    if isinstance(found, dict) and isinstance(truth, dict) and found.keys() == truth.keys():
        return [each for key in found for each in _differences(found[key], truth[key], (*path, key), excused)]
    if isinstance(found, list) and isinstance(truth, list) and len(found) == len(truth):
        return [
            each
            for n, pair in enumerate(zip(found, truth, strict=True))
            for each in _differences(*pair, (*path, n), excused)
        ]
    return [f"{path}: {str(found)[:80]} is not {str(truth)[:80]}"]


def secrets_in(text: str, secrets: list[str]) -> list[str]:
    """Return the secrets that a text contains."""
    return [secret for secret in secrets if secret in text]
