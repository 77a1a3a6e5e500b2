"""Keep new TCP connections away from a listening socket, so that its queue of waiting connections can be emptied.

A socket that is closed resets the connections in its queue, and those whose handshake is not complete. Their clients
have sent, or are about to send, a request. So newcomers are kept away first: a filter in the kernel drops the packets
that begin a connection. Clients repeat such a packet after a second, and then reach another server or are refused.
"""

import ctypes
import socket
import struct
from contextlib import suppress

_SO_ATTACH_FILTER = 26
_FLAGS = 13  # the place of the flags in the header of TCP
_SYN = 0x02
# Load the flags; without SYN go on to the last line; drop the packet; accept it.
_DROP_SYN = ((0x30, 0, 0, _FLAGS), (0x45, 0, 1, _SYN), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


def refuse_newcomers(listening: socket.socket) -> None:
    """Let no new connection begin on a TCP socket, in any process that has it. Those that wait stay.

    Systems other than Linux have no such filter. They lose connections that begin in the moment of the end.
    """
    lines = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _DROP_SYN))
    with suppress(OSError):
        program = struct.pack("@HP", len(_DROP_SYN), ctypes.addressof(lines))
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
