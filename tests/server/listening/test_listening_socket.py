"""The socket of the server: TCP, IPv6 and unix."""

import socket
from pathlib import Path

import pytest

from server.listening.listening_socket import CannotListen, listen, listen_unix


def test_a_port_in_use_is_one_clear_line() -> None:
    bound = listen("127.0.0.1", 0)
    port = bound.socket.getsockname()[1]
    assert bound.page_address() == f"http://127.0.0.1:{port}"
    assert bound.page_address(secure=True) == f"https://127.0.0.1:{port}"
    with pytest.raises(CannotListen, match=f"^port {port} is in use: .*--port$"):
        listen("127.0.0.1", port)
    bound.close()


def test_a_wrong_address_is_one_clear_line() -> None:
    with pytest.raises(CannotListen, match=r"^cannot listen on 192\.0\.2\.1 port 0: "):
        listen("192.0.2.1", 0)
    with pytest.raises(CannotListen, match=r"^not a host is no address to listen on: "):
        listen("not a host", 0)
    with pytest.raises(CannotListen, match=r"^a\.\.b is no address to listen on: "):
        listen("a..b", 0)


@pytest.mark.parametrize(
    ("host", "shown", "reached"),
    [
        ("0.0.0.0", "127.0.0.1", ["127.0.0.1"]),
        ("::", "127.0.0.1", ["127.0.0.1", "::1"]),
        ("[::]", "127.0.0.1", ["127.0.0.1", "::1"]),
        ("::1", "[::1]", ["::1"]),
        ("[::1]", "[::1]", ["::1"]),
    ],
)
def test_an_address_is_reached_as_its_page_says(host: str, shown: str, reached: list[str]) -> None:
    bound = listen(host, 0)
    try:
        port = bound.socket.getsockname()[1]
        assert bound.page_address() == f"http://{shown}:{port}"
        for address in reached:
            socket.create_connection((address, port)).close()
        if ":" in host:
            alone = bound.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            assert alone == ("::1" in host)
    finally:
        bound.close()


def test_a_unix_socket_has_its_rights_and_its_file_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "graph.sock"
    bound = listen_unix(path, 0o620)
    assert (bound.host, bound.page_address()) == (None, f"unix:{path}")
    assert path.stat().st_mode & 0o777 == 0o620
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(CannotListen, match=r"graph\.sock is in use: stop what uses it, or choose another"):
        listen_unix(path, 0o600)
    bound.remove_file()
    bound.close()
    assert not path.exists()


def test_the_file_of_a_dead_server_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "graph.sock"
    dead = listen_unix(path, 0o600)
    dead.close()  # as if it was killed: the file is still there
    assert path.exists()
    bound = listen_unix(path, 0o600)
    dead.remove_file()  # which is not its own any longer
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        assert bound.waiting
    bound.close()


def test_a_wrong_path_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotListen, match=r"there is something else than a socket$"):
        listen_unix(tmp_path / "file", 0o600)
    with pytest.raises(CannotListen, match=r"none/graph\.sock: No such file or directory$"):
        listen_unix(tmp_path / "none" / "graph.sock", 0o600)
    with pytest.raises(CannotListen, match=r"AF_UNIX path too long$"):
        listen_unix(tmp_path / ("a" * 120), 0o600)


@pytest.mark.parametrize("kind", ["tcp", "tcp6", "unix"])
def test_newcomers_are_refused_and_those_that_wait_stay(kind: str, tmp_path: Path) -> None:
    bound = (
        listen_unix(tmp_path / "s", 0o600) if kind == "unix" else listen("::1" if kind == "tcp6" else "127.0.0.1", 0)
    )
    address = str(bound.path) if kind == "unix" else bound.socket.getsockname()[:2]
    family = {"tcp": socket.AF_INET, "tcp6": socket.AF_INET6, "unix": socket.AF_UNIX}[kind]
    with socket.socket(family) as early, socket.socket(family) as late:
        early.connect(address)
        bound.refuse_newcomers()
        late.setblocking(False)
        assert late.connect_ex(address) != 0
        assert bound.waiting
        accepted, _ = bound.socket.accept()
        accepted.close()
        assert not bound.waiting
        assert bound.path is None or not bound.path.exists()
    bound.close()
