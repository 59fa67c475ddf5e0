"""Strangers by the hundred: silent, halfway through a handshake, a byte at a time, or nonsense.

An agency works all the while and notices nothing; memory and files stay within bounds; and the
strangers are gone within twice the time that they have.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest
from live import LiveCentral, established, made_up, resident_bytes, winning
from lottery1_agency import BATCH, Lottery1Agency, batch, end, hello, received
from pki import Authority, fingerprint, write_roster
from tls_agency import TlsAgency, context_of

HELLO_SECONDS: Final = 3.0
GROWTH_BYTES: Final = 64 << 20


class Crowd:
    """Sockets of strangers; what the central sends them is read and thrown away.

    :ivar gone: how many seconds after its connection each was closed or reset.
    """

    def __init__(self) -> None:
        self.gone: list[float] = []
        self._selector = selectors.DefaultSelector()
        self._closing = ExitStack()

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        self._closing.close()

    def comes(self, port: int, says: bytes = b"") -> socket.socket:
        """Let one more connect, and say something."""
        peer = self._closing.enter_context(socket.create_connection(("127.0.0.1", port), 30))
        since = time.monotonic()
        try:
            peer.sendall(says)
        except ConnectionError:
            pass  # it was turned away already
        peer.setblocking(False)
        self._selector.register(peer, selectors.EVENT_READ, since)
        return peer

    def look(self, seconds: float) -> None:
        """See who is gone, for so long at most."""
        for key, _ in self._selector.select(seconds):
            try:
                closed = not key.fileobj.recv(65536)  # type: ignore[union-attr]
            except BlockingIOError:
                closed = False
            except ConnectionError:
                closed = True
            if closed:
                self._selector.unregister(key.fileobj)
                self.gone.append(time.monotonic() - key.data)

    def all_go(self, seconds: float) -> None:
        """Wait until nobody is left."""
        limit = time.monotonic() + seconds
        while self._selector.get_map() and time.monotonic() < limit:
            self.look(limit - time.monotonic())
        assert not self._selector.get_map(), f"{len(self._selector.get_map())} are still there"


def _half_handshake() -> bytes:
    outgoing = ssl.MemoryBIO()
    client = context_of(None).wrap_bio(ssl.MemoryBIO(), outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@contextmanager
def _working(agency: Lottery1Agency) -> Iterator[Callable[[], int]]:
    """An agency that stores batch after batch, each acknowledged, until the block ends.

    Gives a function that stops it and tells how many bets are stored.
    """
    over, sent = threading.Event(), 0
    failures: list[BaseException] = []

    def work() -> None:
        nonlocal sent
        try:
            while not over.is_set():
                agency.send(batch(sent, made_up(20, number=7574)))
                sent += 20
                agency.acknowledged(sent)
        except BaseException as error:  # noqa: BLE001 (told below, in the thread of the test)
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()

    def stop() -> int:
        over.set()
        thread.join(60)
        assert failures == []
        return sent

    try:
        yield stop
    finally:
        over.set()
        thread.join(60)


@pytest.mark.slow
@pytest.mark.parametrize("files", [64, 1024])
def test_a_crowd(tmp_path: Path, files: int) -> None:
    """500 silent ones, 200 half handshakes, tricklers, HTTP and TLS at the plain port."""
    authority = Authority(tmp_path)
    cert, key = authority.central()
    pair = authority.agency(1)
    roster = write_roster(tmp_path / "roster.csv", {1: fingerprint(pair[0])})
    options = (
        *("--tls-cert", cert, "--tls-key", key, "--tls-ca", authority.ca, "--roster", roster),
        *("--writers", 1, "--draws", 1, "--hello-timeout", HELLO_SECONDS),
        *("--close-grace", HELLO_SECONDS),
    )
    program = ("prlimit", f"--nofile={files}:{files}", sys.executable, "-m", "lottery", "serve")
    half = _half_handshake()
    with (
        LiveCentral(tmp_path, *options, program=program, tls=True, level="INFO") as central,
        Crowd() as crowd,
        TlsAgency(central.tls_port, context_of(authority.ca, pair)) as agency,
    ):
        agency.greet(1)
        before = most = resident_bytes(central.pid)
        with _working(agency) as stop:
            tricklers = [crowd.comes(central.port, BATCH) for _ in range(40)]
            for number in range(500):
                crowd.comes(central.port if number % 2 else central.tls_port)
                if number % 5 < 2:
                    crowd.comes(central.tls_port, half)
                if number % 10 == 0:
                    crowd.comes(central.port, b"GET / HTTP/1.1\r\nHost: central\r\n\r\n")
                    crowd.comes(central.port, half)
                    for each in tricklers:
                        _trickle(each)
                    most = max(most, resident_bytes(central.pid))
                crowd.look(0)
            crowd.all_go(2 * HELLO_SECONDS + 1)
            most = max(most, resident_bytes(central.pid))
            assert max(crowd.gone) < 2 * HELLO_SECONDS
            assert most - before < GROWTH_BYTES
            assert len(established(central.pid)) == 1
            sent = stop()
        # Somebody who comes now is taken in as ever.
        with TlsAgency(central.tls_port, context_of(authority.ca, pair)) as again:
            again.send(hello(1))
            again.message()
            again.send(end(sent))
            again.acknowledged(sent, ended=True)
            told = again.winners()
            assert told.total == sent
            again.send(received(told.draw, told.total))
        assert central.wait() == 0, central.log
        assert central.matches("action: strangers . result: fail")


def _trickle(peer: socket.socket) -> None:
    """Send one byte more, if anybody is there to take it."""
    try:
        peer.send(b"\x00")
    except OSError:
        pass


@pytest.mark.slow
def test_a_flood_of_connections_from_one_address(tmp_path: Path) -> None:
    """Beyond the cap of an address the oldest go; who says at once who it is gets through."""
    options = ("--agencies", 2, "--per-address", 20, "--strangers", 40, "--draws", 1)
    with LiveCentral(tmp_path, *options, level="INFO") as central:
        with Crowd() as crowd, Lottery1Agency(central.port) as early:
            early.greet(1)
            for number in range(1000):
                crowd.comes(central.port)
                if number == 500:
                    late = Lottery1Agency(central.port)
                    late.greet(2)
                assert len(established(central.pid)) <= 24
                crowd.look(0)
            with late:
                for agency in (early, late):
                    agency.send(batch(0, made_up(3, number=7574)) + end(3))
                    agency.acknowledged(3, ended=True)
                for agency in (early, late):
                    told = agency.winners()
                    assert told.rows == winning(made_up(3, number=7574))
                    agency.send(received(told.draw, told.total))
        assert central.wait() == 0, central.log
        turned = central.matches(r"strangers .* turned_away: (\d+)")
        assert sum(int(each[1]) for each in turned) >= 900


def test_a_trickle_from_an_agency(tmp_path: Path) -> None:
    """A frame has its time, however steadily its bytes come, also from who is known."""
    options = ("--agencies", 2, "--frame-timeout", 1, "--silence", 0, "--rejoin", 0)
    with LiveCentral(tmp_path, *options) as central, Lottery1Agency(central.port) as agency:
        agency.greet(1)
        over = threading.Event()

        def trickle() -> None:
            frame = iter(batch(0, made_up(20)))
            while not over.wait(0.1):
                agency.send(bytes((next(frame),)))

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        since = time.monotonic()
        try:
            code, sentence = agency.error()
        finally:
            over.set()
            thread.join(10)
        assert (code, sentence) == ("TIMEOUT", "a frame took longer than 1 s")
        assert time.monotonic() - since < 4
        central.wait_for(r"agency: 1 .* code: TIMEOUT \| error: a frame took longer than 1 s")


def test_an_agency_that_comes_too_often(tmp_path: Path) -> None:
    """Beyond its measure it is told so, and may come again later; others are not concerned."""
    with LiveCentral(tmp_path, "--agencies", 2, "--reconnects", 5) as central:
        for _ in range(5):
            with Lottery1Agency(central.port) as agency:
                agency.greet(1)
        with Lottery1Agency(central.port) as agency:
            agency.send(hello(1))
            code, sentence = agency.error()
            assert (code, sentence) == ("BUSY", "agency 1 has come more than 5 times in a minute")
        with Lottery1Agency(central.port) as other:
            other.greet(2)
