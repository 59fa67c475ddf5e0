"""A central, a neighbour at work, and a newcomer for each row of a table of bad input.

Whatever a newcomer does, the neighbour goes on, and what others have stored does not change.
"""

from __future__ import annotations

import io
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Final

from attrs import define, field
from classic_agency import ClassicAgency
from live import LiveCentral, made_up
from lottery1_agency import Lottery1Agency, batch, end, received
from pki import Authority, uri_of, write_roster
from tls_agency import TlsAgency, TlsClassicAgency, context_of

from lottery.command import main

NEIGHBOUR: Final = 4_000_000_000
#: The first agency of the roster; classic agencies come with its certificate.
FIRST: Final = 1_000_000


@define
class Neighbour:
    """An agency at work, which must not notice anything.

    :ivar rows: what it has stored.
    """

    agency: Lottery1Agency
    rows: list[str] = field(factory=list, init=False)

    def go_on(self) -> None:
        """Store another batch."""
        more = made_up(3, name="Neighbour")
        self.agency.send(batch(len(self.rows), more))
        self.rows += more
        self.agency.acknowledged(len(self.rows))

    def ends(self) -> None:
        """Say that this is all."""
        self.agency.send(end(len(self.rows)))
        self.agency.acknowledged(len(self.rows), ended=True)

    def receives(self) -> None:
        """Get its winners, none, and say so."""
        told = self.agency.winners()
        assert told.total == 0
        self.agency.send(received(told.draw, told.total))


@define
class Town:
    """A central, the neighbour, and a new agency for each row of the tables.

    :ivar authority: who signs the agencies' certificates; None: all of it is in plain text.
    :ivar agency: the last number that was given to an agency of lottery/1.
    """

    central: LiveCentral
    authority: Authority | None
    neighbour: Neighbour = field(init=False)
    agency: int = FIRST
    _contexts: dict[int, ssl.SSLContext] = field(factory=dict, init=False)

    def comes(self, number: int, *, receive_buffer: int | None = None) -> Lottery1Agency:
        """Let an agency connect, as itself.

        :param receive_buffer: bytes that may wait unread at its end; the system's if None.
        """
        port, buffer = self.central.port, receive_buffer
        if self.authority is None:
            return Lottery1Agency(port, receive_buffer=buffer)
        return TlsAgency(self.central.tls_port, self._context(number), receive_buffer=buffer)

    def classic(self) -> ClassicAgency:
        """Let a classic agency connect; whose certificate it has means nothing."""
        if self.authority is None:
            return ClassicAgency(self.central.port)
        return TlsClassicAgency(self.central.tls_port, self._context(FIRST))

    def _context(self, number: int) -> ssl.SSLContext:
        assert self.authority is not None
        if number not in self._contexts:
            self._contexts[number] = context_of(self.authority.ca, self.authority.agency(number))
        return self._contexts[number]

    def next_agency(self) -> int:
        """A number that nobody has had."""
        self.agency += 1
        return self.agency

    def stored(self) -> dict[int, list[bytes]]:
        """What ``lottery export`` says of everybody but the neighbour: rows by agency."""
        data = io.BytesIO()
        out = io.TextIOWrapper(data, encoding="utf-8")  # whose end would close ``data``
        with redirect_stdout(out):
            assert main(["export", str(self.central.data_dir), "--draw", "1"]) == 0
        found: dict[int, list[bytes]] = {}
        for line in data.getvalue().splitlines(keepends=True):
            agency, _, row = line.partition(b",")
            found.setdefault(int(agency), []).append(row)
        assert len(found.pop(NEIGHBOUR, [])) == len(self.neighbour.rows)
        return found

    @contextmanager
    def with_neighbour(self) -> Iterator[Town]:
        """Let the neighbour move in, and look at the log when all is over."""
        with self.comes(NEIGHBOUR) as agency:
            agency.greet(NEIGHBOUR)
            self.neighbour = Neighbour(agency)
            yield self
        assert self.central.running, self.central.log
        assert [line for line in self.central.lines if len(line) > 400] == []


@contextmanager
def tls_town(directory: Path, agencies: int, *options: object) -> Iterator[Town]:
    """A central with TLS and a roster: the neighbour, and so many ``agencies`` from FIRST on."""
    authority = Authority(directory)
    cert, key = authority.central()
    numbers = (NEIGHBOUR, *range(FIRST, FIRST + agencies))
    marks = {each: f"uri:{uri_of(each)}" for each in numbers}
    roster = write_roster(directory / "roster.csv", marks)
    files = ("--tls-cert", cert, "--tls-key", key, "--tls-ca", authority.ca, "--roster", roster)
    with (
        LiveCentral(directory, *options, *files, tls=True) as central,
        Town(central, authority).with_neighbour() as town,
    ):
        yield town


def left_alone(town: Town, play: Callable[[], None], adds: Sequence[str] = ()) -> None:
    """Play a row and see that the neighbour works on and exactly ``adds`` is stored more."""
    town.neighbour.go_on()
    before = town.stored()
    play()
    town.neighbour.go_on()
    after = town.stored()
    new = {agency: rows for agency, rows in after.items() if before.get(agency) != rows}
    expected = [f"{row}\n".encode() for row in adds]
    assert list(new.values()) == ([expected] if expected else [])
    assert {agency: rows for agency, rows in after.items() if agency not in new} == before
