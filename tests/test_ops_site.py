"""``lottery.ops.site``: what is served to whom, and that no request changes anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from central_fakes import House
from status_rig import MOST, Watched, said_in

from lottery.ops.site import is_our_name, page_files

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:80", "10.1.2.3:65535", "[::1]",
        "[fe80::1]:8080", "central", "Central:9100",
    ],
)  # fmt: skip
def test_names_of_ours(host: str) -> None:
    """Addresses, ``localhost`` and those that the operator has named; with a port or not."""
    assert is_our_name(host.encode(), {"central"})


@pytest.mark.parametrize(
    "host",
    [
        "", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "::1",
        "[127.0.0.1]",
        "[::1", "localhost:", "localhost:x", "1", "0x7f000001", "central.evil.example", "caf\xe9",
        "127.1", "localhost:٣",
    ],
)  # fmt: skip
def test_names_of_others(host: str) -> None:
    """Whatever else could lead here."""
    assert not is_our_name(host.encode(), {"central"})


def test_the_page_and_its_files(tmp_path: Path) -> None:
    """Each with its kind, and nothing beside them; each may do nothing but what it must."""
    kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
    with House(tmp_path) as house:
        watched = Watched(house)
        assert watched.ask("/").body == page_files()["index.html"]
        for name, content in page_files().items():
            if name != "index.html":
                said = watched.ask(f"/{name}")
                assert (said.code, said.body) == (200, content)
                assert said.headers["content-type"].startswith(kinds[Path(name).suffix])
                assert said.headers["content-security-policy"] == POLICY
                assert said.headers["x-content-type-options"] == "nosniff"
                assert said.headers["cache-control"] == "no-store"
        head = watched.ask("/", "HEAD")
        assert (head.code, head.body) == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/index.html/", "/nothing", "/page.css/x", "/../setup.py", "/%2e%2e/setup.py", "/api",
        "/api/", "/api/draws/0", "/api/draws/01", "/api/draws/-1", "/api/draws/x", "/api/draws/9",
        "/api/draws/9/record", "/api/draws/1/x", "/api/draws/1/record/x", "/api/draws/1/winners",
        "/api/draws//record", "/api/draws/99999999999999999999", "/events/x", "/" + "a" * 2000,
    ],
)  # fmt: skip
def test_nothing_there(path: str, tmp_path: Path) -> None:
    """One sentence, and no trace of what was asked."""
    with House(tmp_path) as house:
        said = Watched(house).ask(path)
        assert (said.code, said.body) == (404, b"there is nothing here\n")
        assert said.headers["content-security-policy"] == POLICY


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get"])
def test_methods(method: str, tmp_path: Path) -> None:
    """There is only looking."""
    with House(tmp_path) as house:
        said = Watched(house).ask("/api/draws", method)
        assert (said.code, said.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/events", "/api/draws", "/metrics", "/healthz"])
def test_for_somebody_else(path: str, tmp_path: Path) -> None:
    """A name that leads here and is none of ours is told nothing."""
    with House(tmp_path) as house:
        watched = Watched(house, ["central"])
        said = watched.ask(path, host="evil.example")
        assert (said.code, said.body[:13]) == (421, b"this name is ")
        assert watched.ask("/healthz", host="central:80").code == 200


def test_a_body_ends_the_connection(tmp_path: Path) -> None:
    """It is neither read nor kept, however long it says that it will be."""
    with House(tmp_path) as house:
        watched = Watched(house)
        for header in ("Content-Length: 99999999999", "Transfer-Encoding: chunked"):
            connection = watched.connect()
            connection.ask("/", "POST", header)
            assert not connection.gone()
            connection.send(b"5\r\nhello\r\n")
            assert connection.gone()


@pytest.mark.parametrize(
    "data",
    [
        b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\nHost: localhost\r\n\r\n",
    ],
    ids=["no path", "tls", "version", "two hosts", "no host", "long", "length"],
)  # fmt: skip
def test_rubbish(data: bytes, tmp_path: Path) -> None:
    """What is no request is told so, or cut off, and nothing comes of it."""
    with House(tmp_path) as house:
        connection = Watched(house).connect()
        connection.send(data)
        heard = connection.heard()
        assert connection.gone() or said_in(heard).code in (400, 421)


def test_not_too_many(tmp_path: Path) -> None:
    """Beyond so many connections, further ones are closed at once."""
    with House(tmp_path) as house:
        watched = Watched(house)
        all_of_them = [watched.connect() for _ in range(MOST)]
        assert watched.page.connections.buildProtocol(None) is None
        all_of_them[0].transport.loseConnection()
        watched.connect()


def test_silent_connections_are_ended(tmp_path: Path) -> None:
    """Who asks nothing, and who asks no more."""
    with House(tmp_path) as house:
        watched = Watched(house)
        silent, other = watched.connect(), watched.connect()
        other.ask("/healthz")
        house.advance(31)
        assert silent.gone()
        assert other.gone()


def test_health_and_readiness(tmp_path: Path) -> None:
    """It is well as long as it answers, and ready as long as agencies can come."""
    with House(tmp_path, draws=1, agencies=1) as house:
        watched = Watched(house)
        assert (watched.ask("/healthz").code, watched.ask("/readyz").body) == (200, b"ready\n")
        house.central._rounds.open, kept = None, house.central._rounds.open
        said = watched.ask("/readyz")
        assert (said.code, said.body) == (503, b"no draw is open\n")
        house.central._rounds.open = kept
        assert watched.ask("/healthz").code == 200
