"""Offer the rows' methods as functions until `resolvers/` calls the methods of `Answer` and `LazyRows` themselves."""

from collections.abc import Collection, Sequence

from upstream.decoding.lazy_rows import LazyRows, head, irregular, joined, like
from upstream.reports.rows import Row

__all__ = ["LazyRows", "head", "irregular", "joined", "like", "need", "require", "whole"]


def need(rows: Sequence[Row], columns: Collection[str] | None) -> None:
    """Make columns of an answer's rows canonical. Raise Malformed."""
    if isinstance(rows, LazyRows):
        rows.read(columns)


def require(rows: Sequence[Row], columns: Collection[str]) -> None:
    """Make columns of an answer's rows canonical. Raise the error of the first bad value in them."""
    if isinstance(rows, LazyRows):
        rows.require(columns)


def whole(rows: Sequence[Row], some: Sequence[Row]) -> Sequence[Row]:
    """Return the whole rows of some partial rows of an answer. Raise Malformed."""
    return rows.whole(some) if isinstance(rows, LazyRows) else some
