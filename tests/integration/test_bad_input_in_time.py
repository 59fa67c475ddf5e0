"""Bad input whose fault is its time: too slow, too late, or never read; over TLS, as the rest.

What is wrong with the bytes themselves stands in ``test_bad_input.py``.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen
from classic_agency import PATIENCE_SECONDS, STORED, Peer, batch_of
from live import made_up, resident_bytes, union
from lottery1_agency import (
    ERROR,
    Lottery1Agency,
    batch,
    end,
    error_in,
    frames_in,
    hello,
)
from town import FIRST, NEIGHBOUR, Town, left_alone, tls_town

#: Many programs are started here, one after the other.
pytestmark = pytest.mark.slow

HELLO_SECONDS: Final = 1.0
FRAME_SECONDS: Final = 0.5
#: Enough for an agency to have stored something by then.
DEADLINE_SECONDS: Final = 2
#: Between the bytes of a trickle: many times within the time of a frame.
TRICKLE_SECONDS: Final = 0.05

ROWS: Final = made_up(20)
CLASSIC: Final = batch_of(ROWS)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A central that is soon tired of frames which do not come, and of nothing else."""
    clocks = ("--hello-timeout", HELLO_SECONDS, "--frame-timeout", FRAME_SECONDS, "--silence", 0)
    options = ("--agencies", 100, "--writers", 2, "--allow-classic", *clocks)
    with tls_town(tmp_path_factory.mktemp("town"), 50, *options) as made:
        yield made


@frozen
class Slow:
    """A frame that does not come to its end in time.

    :ivar sends: the bytes, made for the number of a new agency.
    :ivar at_once: how many of them come together.
    :ivar trickles: whether the others come one by one; else nothing comes any more.
    :ivar greets: whether HELLO and WELCOME go before.
    :ivar stores: whether a classic batch goes before, and is acknowledged.
    :ivar classic: whether the answer is one of the classic dialect.
    :ivar says: what the sentence holds.
    """

    sends: Callable[[int], bytes]
    at_once: int
    trickles: bool = False
    greets: bool = False
    stores: bool = False
    classic: bool = False
    says: str = f"a frame took longer than {FRAME_SECONDS:g} s"


def _slow() -> Iterator[tuple[str, Slow]]:
    for name, at_once, trickles in (("B6-header", 3, False), ("B7-trickle", 1, True)):
        yield f"{name}-hello", Slow(hello, at_once, trickles)
        yield f"{name}-batch", Slow(_plain(batch(0, ROWS)), at_once, trickles, greets=True)
        yield f"{name}-classic", Slow(_plain(CLASSIC), at_once, trickles, classic=True)
        yield (
            f"{name}-classic-later",
            Slow(_plain(CLASSIC), at_once, trickles, stores=True, classic=True),
        )
    # A little-endian 1 announces 256 bytes, of which one comes.
    short = b"\x01" + struct.pack("<H", 1) + b"A"
    yield "B15-little-endian", Slow(_plain(short), len(short), stores=True, classic=True)
    yield "B54-handshake-and-no-more", Slow(hello, 0, says=f"within {HELLO_SECONDS:g} s")


def _plain(data: bytes) -> Callable[[int], bytes]:
    return lambda _: data


SLOW: Final = dict(_slow())


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW.keys())
def test_frames_that_do_not_come(town: Town, slow: Slow) -> None:
    """TIMEOUT, however steadily bytes come: a frame has its time, and so has who says nothing."""

    def play() -> None:
        since = len(town.central.lines)
        number = town.next_agency()
        with town.classic() if slow.classic else town.comes(number) as peer:
            if isinstance(peer, Lottery1Agency) and slow.greets:
                peer.greet(number)
            if slow.stores:
                peer.send(CLASSIC)
                assert peer.receive(1) == STORED
            data = slow.sends(number)
            peer.send(data[: slow.at_once])
            with trickling(peer, data[slow.at_once :] if slow.trickles else b""):
                line = town.central.wait_for(
                    rf"result: fail .* port: {peer.address[1]} \| code: TIMEOUT \| error: (.*)",
                    since=since,
                )
            assert slow.says in line[1]
            answer = peer.rest()
        if slow.classic:
            assert answer == b"\xff"
        else:
            ((kind, payload),) = frames_in(answer)
            assert kind == ERROR
            assert error_in(payload) == ("TIMEOUT", line[1])

    left_alone(town, play, adds=ROWS if slow.stores else [])


@contextmanager
def trickling(peer: Peer, data: bytes) -> Iterator[None]:
    """Send bytes one by one, as long as the block lasts."""
    over = threading.Event()

    def trickle() -> None:
        for byte in data:
            if over.wait(TRICKLE_SECONDS):
                return
            peer.send(bytes((byte,)))

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(PATIENCE_SECONDS)


def test_b24_behind_the_close(tmp_path: Path) -> None:
    """What comes when the draw takes no more bets is in no ledger, whoever sends it."""
    with tls_town(tmp_path, 3, "--deadline", DEADLINE_SECONDS) as town:
        central, neighbour = town.central, town.neighbour
        neighbour.go_on()
        neighbour.ends()
        late, never = town.next_agency(), town.next_agency()
        more = batch(len(ROWS), ROWS)
        with town.comes(late) as session:
            session.greet(late)
            session.send(batch(0, ROWS))
            session.acknowledged(len(ROWS))
            central.drawn(1)
            session.send(more)
            assert session.error()[0] == "TIMEOUT"
        # Draw 1 is not over yet: the neighbour has not said that it has got its winners.
        for number, code in ((late, "LEFT_OUT"), (never, "CLOSED")):
            with town.comes(number) as again:
                again.send(hello(number, draw=1) + more)
                assert again.error()[0] == code
            central.wait_for(rf"accept_connections . result: fail .* code: {code} ")
        neighbour.receives()
        central.wait_for(r"action: delivered . result: success . draw: 1 . agencies: 1$")
        assert central.bets_csv(1) == union({late: ROWS, NEIGHBOUR: neighbour.rows})


def test_b26_who_never_reads(tmp_path: Path) -> None:
    """Parted with in time: its unread answers take no memory, and nobody waits for it longer."""
    won = made_up(200, number=7574)
    count = 1000  # whose winners are more than there is room for between it and the central
    with tls_town(tmp_path, 1, "--silence", 30, "--rejoin", 1) as town:
        central, neighbour = town.central, town.neighbour
        neighbour.go_on()
        before = resident_bytes(central.pid)
        with town.comes(FIRST, receive_buffer=4096) as deaf:
            deaf.send(hello(FIRST))
            for index in range(count):
                deaf.send(batch(index * len(won), won))
            deaf.send(end(count * len(won)))
            central.wait_for(rf"action: agency . result: success . agency: {FIRST} ")
            assert resident_bytes(central.pid) - before < 8 << 20
            neighbour.go_on()
            neighbour.ends()
            neighbour.receives()
            central.wait_for(rf"agency: {FIRST} .* code: TIMEOUT ")
            central.wait_for(r"action: delivered . result: success . draw: 1 . agencies: 1$")
            assert len(deaf.rest()) < count * len("\n".join(won))
        assert central.bets_csv(1) == union({FIRST: won * count, NEIGHBOUR: neighbour.rows})
