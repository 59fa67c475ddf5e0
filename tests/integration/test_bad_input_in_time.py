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
from live import established, made_up, resident_bytes, winning
from lottery1_agency import (
    ERROR,
    Lottery1Agency,
    batch,
    end,
    error_in,
    frames_in,
    hello,
    received,
)
from town import FIRST, Town, left_alone, tls_town

HELLO_SECONDS: Final = 1.0
FRAME_SECONDS: Final = 0.5
#: Between the bytes of a trickle: many times within the time of a frame.
TRICKLE_SECONDS: Final = 0.05

ROWS: Final = made_up(20)
CLASSIC: Final = batch_of(ROWS)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A central that is soon tired of frames which do not come, and of nothing else."""
    clocks = ("--hello-timeout", HELLO_SECONDS, "--frame-timeout", FRAME_SECONDS, "--silence", 0)
    directory = tmp_path_factory.mktemp("town")
    with tls_town(directory, 50, "--agencies", 100, "--writers", 2, *clocks) as made:
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
    """What comes when the draw takes no more bets is in no ledger, whoever sends it.

    The neighbour has ended and does not say that it has its winners, so draw 1 stays for it.
    """
    with tls_town(tmp_path, 3, "--agencies", 10, "--deadline", 1, "--rejoin", 30) as town:
        central, neighbour = town.central, town.neighbour
        neighbour.go_on()
        neighbour.agency.send(end(neighbour.sent))
        neighbour.agency.acknowledged(neighbour.sent, ended=True)
        late = town.next_agency()
        with town.comes(late) as open_ended:
            open_ended.greet(late)
            open_ended.send(batch(0, ROWS))
            open_ended.acknowledged(len(ROWS))
            central.drawn(1)
            open_ended.send(batch(len(ROWS), ROWS))
            print(open_ended.rest())
        told = neighbour.agency.winners()
        for number in (late, town.next_agency()):
            for draw in (1,):
                with town.comes(number) as again:
                    again.send(hello(number, draw=draw) + batch(len(ROWS), ROWS))
                    print(again.rest())
        print(central.bets_csv(1))
        print(central.log)
        assert told.total == 0


def test_b26_who_never_reads(tmp_path: Path) -> None:
    """Parted with in time, and memory stays flat: neither answers nor winners heap up for it."""
    won = made_up(200, number=7574)
    batches = 1000
    clocks = ("--silence", 2, "--rejoin", 1)
    with tls_town(tmp_path, 2, "--agencies", 4, *clocks) as town:
        central, neighbour = town.central, town.neighbour
        number = town.next_agency()
        before = resident_bytes(central.pid)
        with town.comes(number, receive_buffer=4096) as deaf, town.comes(FIRST) as other, town.classic() as cl:
            other.greet(FIRST); other.send(end(0)); other.acknowledged(0, ended=True)
            cl.end()
            deaf.send(hello(number))
            import time
            t=time.time()
            for k in range(batches):
                deaf.send(batch(200*k, won))
                if k % 100 == 0:
                    neighbour.go_on()
            deaf.send(end(200*batches))
            town.central.wait_for("apuesta_recibida . result: success . agency: 1000001 ")
            print(time.time()-t)
            mid=resident_bytes(central.pid)
            neighbour.agency.send(end(neighbour.sent))
            neighbour.agency.acknowledged(neighbour.sent, ended=True)
            central.drawn(1)
            print(neighbour.agency.winners())
            print(other.winners(), cl.winners())
            neighbour.agency.send(received(1,0))
            other.send(received(1,0)); cl.close()
            central.wait_for("delivered")
            after=resident_bytes(central.pid)
            print(time.time()-t)
            print(before,mid-before,after-before)
            print(established(central.pid))
            print(len(deaf.rest()))
        print("\n".join(x for x in town.central.lines if "cantidad: 200" not in x))
