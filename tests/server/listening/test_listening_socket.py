"""The server's socket."""

import pytest

from server.listening.listening_socket import CannotListen, listen


def test_a_port_in_use_is_one_clear_line() -> None:
    bound = listen("127.0.0.1", 0)
    port = bound.socket.getsockname()[1]
    assert bound.page_address() == f"http://127.0.0.1:{port}"
    with pytest.raises(CannotListen, match=f"^port {port} is in use: .*--port$"):
        listen("127.0.0.1", port)
    bound.close()


def test_a_wrong_address_is_one_clear_line() -> None:
    with pytest.raises(CannotListen, match=r"^cannot listen on 192\.0\.2\.1 port 0: "):
        listen("192.0.2.1", 0)
    with pytest.raises(CannotListen, match=r"^not a host is no address to listen on: "):
        listen("not a host", 0)


def test_the_page_of_every_network_is_here() -> None:
    bound = listen("0.0.0.0", 0)
    assert bound.page_address().startswith("http://127.0.0.1:")
    bound.close()
