"""A dlt source over the tables of gamehub-graph: whole business days, each loaded as one part."""

from .checking import differences
from .loading import LoadIncomplete, load
from .source import gamehub_graph

__all__ = ["LoadIncomplete", "differences", "gamehub_graph", "load"]
