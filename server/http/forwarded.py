"""Read the header `Forwarded` (RFC 7239): each proxy adds an element about the request that it received."""

import ipaddress
import re
from collections.abc import Callable, Sequence

FORWARDED = "forwarded"
Element = dict[str, str]

# `*+` gives no space back: a long run of spaces takes time that grows with its length alone.
_PAIR = re.compile(
    r"""[ \t]*+(?:([!#$%&'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"\\,;=]+)))?[ \t]*([;,]|\Z)""", re.ASCII
)
_ESCAPED = re.compile(r"\\(.)")
# An address, or a word that hides it. Ports may be hidden, too.
_NODE = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)|(unknown|_[\w.-]+))(?::(?:[0-9]{1,5}|_[\w.-]+))?", re.ASCII)


def elements_of(text: str) -> list[Element]:
    """Return the elements of a header by the names of their parts, the outermost proxy first; none if it is malformed.

    `for` has the address alone, without brackets and port, or the word that hides it.
    """
    found: list[Element] = [{}]
    at = 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            return []
        at = pair.end()
        name, quoted, plain, end = pair.groups()
        if name is not None and not _add(found[-1], name.lower(), plain or _ESCAPED.sub(r"\1", quoted or "")):
            return []
        if end == ",":
            found.append({})
    return [element for element in found if element]


def counting(elements: Sequence[Element], trusts: Callable[[str | None], bool]) -> Element:
    """Return the element of the outermost trusted proxy, if each proxy after it is trusted. It describes the client."""
    for element in reversed(elements):
        if not trusts(element.get("for")):
            return element
    return elements[0] if elements else {}


def address_in(element: Element) -> str | None:
    """Return the address of the client; None if the proxy hides it."""
    node = element.get("for", "_")
    return None if node == "unknown" or node.startswith("_") else node


def _add(element: Element, name: str, value: str) -> bool:
    """Add a part to its element. Return whether it is valid there."""
    if name in element:
        return False
    if name == "for":
        node = _NODE.fullmatch(value)
        if node is None:
            return False
        value = node[1] or node[2] or node[3]
        if node[3] is None and not _is_address(value):
            return False
    element[name] = value
    return True


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
