"""The rest of the rig, with doubles: the client, the proxy, the reader of traces, the counts."""

from __future__ import annotations

import random
import socket
import struct
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from classic_agency import Closed, Peer, frame
from counts import COUNTS, count, dice
from cutting_proxy import FIN, RST, TO_AGENCY, TO_CENTRAL, CuttingProxy
from day import rows_of_agency
from live import LiveProcess, made_up
from programs import free_port
from recorder import Progress, Recorder
from tracing import most_calls, needs_strace, read_trace, traced

ROWS = made_up(4, number=7574)


def crc(rows: list[str]) -> int:
    """The CRC-32 of rows as sent."""
    return zlib.crc32("".join(f"{row}\n" for row in rows).encode())


def welcome(index: int, ended: int = 0, crc_of: int | None = None) -> bytes:
    """The frame of a WELCOME to draw 1."""
    value = crc(ROWS[:index]) if crc_of is None else crc_of
    return frame(b"\x20", struct.pack(">IBBQIHI", 1, 1, ended, index, value, 8192, 60))


def ack(index: int, ended: int = 0) -> bytes:
    """The frame of an ACK."""
    return frame(b"\x21", struct.pack(">QB", index, ended))


def refused(expected: int, again: int, code: int = 11) -> bytes:
    """The frame of a REFUSED."""
    return frame(b"\x22", struct.pack(">BBQHB", code, again, expected, 0, 0) + b"no")


def winners(rows: list[str], number: int = 7574) -> bytes:
    """The frame of WINNERS."""
    body = "".join(f"{row}\n" for row in rows).encode()
    return frame(b"\x23", struct.pack(">IHQQ", 1, number, len(rows), 0) + body)


def error(code: int) -> bytes:
    """The frame of an ERROR."""
    return frame(b"\x24", bytes([code]) + b"no")


@contextmanager
def scripted(*sessions: list[bytes]) -> Iterator[int]:
    """A central that says this, a list for each connection, whatever it hears; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for session in sessions:
                peer, _ = listener.accept()
                with peer:
                    peer.settimeout(10)
                    for words in session:  # an answer for each frame
                        header = peer.recv(3, socket.MSG_WAITALL)
                        peer.recv(int.from_bytes(header[1:], "big"), socket.MSG_WAITALL)
                        peer.sendall(words)
                    peer.shutdown(socket.SHUT_WR)
                    while peer.recv(65536):
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def client(port: int, **options: object) -> Recorder:
    """A client with four bets, one after the other."""
    over = threading.Event()
    options = {"sizes": (2,), "windows": (1,), **options}
    recorder = Recorder(1, ROWS, lambda: port, random.Random(1), over=over, **options)  # type: ignore[arg-type]
    recorder.start()
    return recorder


def test_a_client_that_is_cut_off_and_refused() -> None:
    """It comes back, sends again from where it has to, and notes all of that."""
    with scripted(
        [welcome(0), ack(2)],
        [error(16)],
        [welcome(2), refused(2, 1), b"", ack(4), ack(4, 1) + winners(ROWS)],
    ) as port:
        history = client(port).finish()
    assert history.faults == []
    assert (history.acknowledged, history.sent, history.ended) == (4, 4, True)
    assert (history.winners, history.number, history.received) == (ROWS, 7574, True)
    assert history.refusals == 1


def test_a_client_that_has_ended_before() -> None:
    """It waits for its winners only."""
    with scripted([welcome(0), ack(2), ack(4), ack(4, 1)], [welcome(4, 1) + winners(ROWS)]) as port:
        history = client(port).finish()
    assert (history.faults, history.winners) == ([], ROWS)


@pytest.mark.parametrize(("words", "code"), [(error(14), "TAKEN"), (refused(0, 0, 8), "FIELD")])
def test_a_client_that_is_sent_away(words: bytes, code: str) -> None:
    """It does not come back."""
    with scripted([welcome(0), words]) as port:
        assert client(port).finish().refused == code


@pytest.mark.parametrize(
    ("sessions", "fault"),
    [
        ([[welcome(2)]], "2 are stored, 0 were sent"),
        ([[welcome(0, crc_of=1)]], "another CRC"),
        ([[welcome(0), ack(4)]], "only 2 were sent"),
        ([[welcome(0), ack(2), ack(0)]], "2 acknowledged, then 0"),
        ([[welcome(0), ack(2)], [welcome(0)]], "2 acknowledged, then 0"),
        ([[welcome(0), ack(2), refused(0, 1)]], "2 acknowledged, then 0"),
        ([[welcome(0), refused(0, 1) + ack(4)]], "only 2 were sent"),
        ([[welcome(0), ack(2), ack(4), ack(4, 1)], [welcome(4, 0)]], "END is forgotten"),
        ([[welcome(0, 1)]], "was not sent"),
    ],
)
def test_a_client_that_is_lied_to(sessions: list[list[bytes]], fault: str) -> None:
    """It notes what may not be."""
    with scripted(*sessions) as port:
        (found,) = client(port).finish().faults
    assert fault in found


def test_a_client_that_is_deaf() -> None:
    """What it hears then it drops, and it comes back when it hears again."""
    progress, made = Progress(), threading.Event()

    def fall_deaf(first: int) -> None:
        made.wait(10)  # it has begun before it can be named here
        if first == 2 and not progress.deaf and recorder.sessions == 1:
            progress.deaf = True
            threading.Timer(0.05, setattr, (progress, "deaf", False)).start()

    with scripted(
        [welcome(0), ack(2), ack(4)],
        [welcome(2), ack(4), ack(4, 1) + winners(ROWS)],
    ) as port:
        recorder = client(port, progress=progress, before_batch=fall_deaf)
        made.set()
        history = recorder.finish()
    assert (history.faults, history.acknowledged) == ([], 4)
    assert recorder.welcomed == [0, 2]


@contextmanager
def echo() -> Iterator[int]:
    """A central that says what it hears."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                try:
                    while data := peer.recv(65536):
                        peer.sendall(data)
                except OSError:
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


@pytest.mark.parametrize("how", [FIN, RST])
@pytest.mark.parametrize("after", range(7))
@pytest.mark.parametrize("direction", [TO_CENTRAL, TO_AGENCY])
def test_the_proxy_cuts_behind_a_byte(direction: int, after: int, how: str) -> None:
    """So many bytes of that direction arrive, and not one more."""
    with echo() as port, CuttingProxy(port, direction, after, how) as proxy:
        got = b""
        try:
            with Peer(proxy.port) as peer:
                peer.send(b"abcdef")
                peer.finish_sending()
                got = peer.rest()
        except OSError:
            pass  # it was cut off already
        assert b"abcdef".startswith(got)
        assert len(got) <= after
        proxy._thread.join(10)
        # The whole of it ends by itself, behind its last byte.
        assert proxy.carried[direction] == min(after, 6)
        assert proxy.cut


def test_the_proxy_that_cuts_nothing() -> None:
    """All bytes arrive, and the end of the stream, too."""
    with echo() as port, CuttingProxy(port) as proxy:
        with Peer(proxy.port) as peer:
            peer.send(b"abcdef")
            assert peer.receive(6) == b"abcdef"
            peer.finish_sending()
            with pytest.raises(Closed):
                peer.receive(1)
        assert proxy.carried == [6, 6]
        assert not proxy.cut


TRACE = r"""10 openat(AT_FDCWD</a>, "/a/x.tmp", O_WRONLY|O_CREAT, 0600) = 7</a/x.tmp>
10 write(7</a/x.tmp>, "\x61\x62\x29\x20\x3d", 5) = 5
11 write(3<pipe:[1]>, "\x00", 1 <unfinished ...>
10 fsync(7</a/x.tmp>) = -1 EIO (Input/output error) (INJECTED)
11 <... write resumed>) = 1
10 rename("/a/x.tmp", "/a/x") = 0
12 fdatasync(4</a/y>) = ?
11 +++ killed by SIGKILL +++
"""


def test_a_trace_is_read(tmp_path: Path) -> None:
    """Names, files, bytes, results, errors, and calls that were interrupted or never ended."""
    path = tmp_path / "trace"
    path.write_text(TRACE)
    calls = list(read_trace(path))
    assert [(call.tid, call.name) for call in calls] == [
        (10, "openat"),
        (10, "write"),
        (10, "fsync"),
        (11, "write"),
        (10, "rename"),
        (12, "fdatasync"),
    ]
    assert calls[1].data == b"ab) ="
    assert (calls[1].path, calls[1].result) == ("/a/x.tmp", 5)
    assert (calls[2].error, calls[2].injected) == ("EIO", True)
    assert (calls[3].path, calls[3].data) == ("pipe:[1]", b"\x00")
    assert calls[4].paths == ["/a/x.tmp", "/a/x"]
    assert calls[5].result is None
    assert most_calls(path) == dict.fromkeys(("openat", "write", "fsync", "rename", "fdatasync"), 1)


TRACE_OF_A_CONNECTION = r"""10 sendto(4<TCP:[127.1:5->127.1:6]>, "\x61\x5d", 2, 0, NULL, 0) = 2
10 sendmsg(4<TCPv6:[[::1]:5->[::1]:6]>, {msg_iov=[{iov_base="\x61", iov_len=1}]}, 0) = 1
10 writev(4<TCP:[17]>, [{iov_base="\x61", iov_len=1}, {iov_base="\x62\x63", iov_len=2}], 2) = 1
"""


def test_a_trace_of_a_connection_is_read(tmp_path: Path) -> None:
    """Both addresses, and the bytes of a send, also those that come from several places."""
    path = tmp_path / "trace"
    path.write_text(TRACE_OF_A_CONNECTION)
    assert [(call.name, call.path, call.data, call.result) for call in read_trace(path)] == [
        ("sendto", "TCP:[127.1:5->127.1:6]", b"a]", 2),
        ("sendmsg", "TCPv6:[[::1]:5->[::1]:6]", b"a", 1),
        ("writev", "TCP:[17]", b"abc", 1),
    ]


def test_a_traced_program_keeps_its_pid(tmp_path: Path) -> None:
    """The process that was started is the traced one, and a kill that is injected is its end."""
    needs_strace()
    victim = tmp_path / "x"
    words = traced(tmp_path / "trace", "fsync:signal=SIGKILL:when=2", paths=[victim])
    words = words[: words.index(sys.executable)]
    text = f"import os; f = open({str(victim)!r}, 'w'); print(os.getpid(), flush=True)\n"
    text += "for _ in range(3):\n    os.fsync(f.fileno())\n    print('flushed', flush=True)"
    with LiveProcess([*words, sys.executable, "-c", text], tmp_path) as process:
        assert process.wait() == -9
    assert process.lines == [str(process.pid), "flushed"]
    assert most_calls(tmp_path / "trace")["fsync"] == 2


def test_rows_that_nobody_else_has() -> None:
    """Agencies and lives share no row, and there are winners of every number."""
    rng = random.Random(1)
    found = [rows_of_agency(agency, 50, rng, life=life) for agency in (1, 12) for life in (0, 1)]
    assert len({row for rows in found for row in rows}) == 200


def test_the_port_is_nobodys() -> None:
    """It is below those that clients are given by chance."""
    assert 20_000 <= free_port() < 32_000


def test_the_counts() -> None:
    """The soak never tries less, and the same seed gives the same numbers."""
    assert all(each.soak >= each.ci > 0 for each in COUNTS.values())
    assert count("kills") in COUNTS["kills"]
    assert dice("kills").random() == dice("kills").random() != dice("cuts").random()
