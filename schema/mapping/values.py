"""The values of rows, as the schema may read them. This module hides the decoder from the types.

A value that the upstream sent in a wrong form stays in its row as a `BadValue`. Every use of it raises its error.
`sound` returns a value that is only passed on, or raises the error of a bad one.
"""

from upstream.decoding.partial_row import distinct_values, getter, report_row
from upstream.values.bad_value import BadValue, sound

__all__ = ["BadValue", "distinct_values", "getter", "report_row", "sound"]
