"""A central with a status page, and those who look at it over connections in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from attrs import frozen
from central_fakes import House
from twisted.internet.testing import StringTransportWithDisconnection

from lottery.ops.status import StatusPage
from lottery.ops.watch import Shown

MIN_FREE = 1 << 20
MOST = 512


@frozen
class Said:
    """An answer."""

    code: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """What it says."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


class Connection:
    """A connection of somebody who looks."""

    def __init__(self, page: StatusPage) -> None:
        self.transport = StringTransportWithDisconnection()
        protocol = page.connections.buildProtocol(None)
        assert protocol is not None
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)
        self._protocol = protocol

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._protocol.dataReceived(data)

    def heard(self) -> bytes:
        """What was answered since the last time."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def ask(self, path: str, method: str = "GET", *headers: str, host: str = "localhost") -> None:
        """Send a request."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]
        self.send("\r\n".join(lines).encode())

    def events(self) -> list[tuple[str, Any]]:
        """The events that were told since the last time."""
        text = b"".join(chunks(self.heard())).decode()
        found = []
        for event in text.split("\n\n")[:-1]:
            name, data = event.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
        return found

    def gone(self) -> bool:
        """Whether the connection was ended."""
        return not self.transport.connected


class Watched:
    """A central with its page."""

    def __init__(self, house: House, hosts: Sequence[str] = (), *, documents: bool = False) -> None:
        central = house.central
        self.house = house
        self.page = StatusPage(
            central.overview, central.figures, house.ledgers, central.disk,
            central.overview.names, hosts, Shown(documents, MIN_FREE), MOST, house.reactor,
        )  # fmt: skip
        central.status = self.page
        self.page.start()

    def connect(self) -> Connection:
        """Let somebody connect."""
        return Connection(self.page)

    def ask(self, path: str, method: str = "GET", *headers: str, host: str = "localhost") -> Said:
        """What is answered to a request."""
        connection = self.connect()
        connection.ask(path, method, *headers, host=host)
        self.house.settle()
        said = said_in(connection.heard(), head=method == "HEAD")
        connection.transport.loseConnection()
        return said

    def stream(self) -> Connection:
        """Somebody whose page is told; what it was told at once stands in its first events."""
        connection = self.connect()
        connection.ask("/events")
        return connection


def said_in(data: bytes, *, head: bool = False) -> Said:
    """Read one whole answer."""
    top, _, body = data.partition(b"\r\n\r\n")
    line, *lines = top.decode().split("\r\n")
    headers = {}
    for each in lines:
        name, _, value = each.partition(": ")
        headers[name.lower()] = value
    assert head or len(body) == int(headers["content-length"])
    return Said(int(line.split()[1]), headers, body)


def chunks(data: bytes) -> list[bytes]:
    """The chunks of a body, behind the head of its answer if that is there."""
    if data.startswith(b"HTTP/"):
        data = data.partition(b"\r\n\r\n")[2]
    found = []
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        found.append(rest[:length])
        assert rest[length : length + 2] == b"\r\n"
        data = rest[length + 2 :]
    return found
