"""Who gets in over TLS, and who does not: every way to have the wrong certificate, or none.

Whoever is refused sends a byte that begins no frame right behind its handshake: if it were
parsed, the log would name it.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen
from classic_agency import Closed, batch_of
from cryptography.x509.oid import ExtendedKeyUsageOID
from live import LiveAgency, LiveCentral, made_up, winning
from lottery1_agency import ERROR, WELCOME, batch, end, error_in, frames_in, hello, received
from pki import DAY, NOW, Authority, fingerprint, uri_of, write_roster
from tls_agency import TlsAgency, context_of

GARBAGE: Final = b"\x00"
#: From SIGHUP until a removed agency is out.
OUT_SECONDS: Final = 1.0


class Town:
    """A central that speaks TLS only, with its authority and its roster."""

    def __init__(
        self, directory: Path, agencies: int = 4, *options: object, listening: bool = True
    ) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        cert, key = self.authority.central()
        self.pairs = {each: self.authority.agency(each) for each in range(1, agencies + 1)}
        self.roster = directory / "roster.csv"
        self.marks = {each: fingerprint(pair[0]) for each, pair in self.pairs.items()}
        write_roster(self.roster, self.marks)
        files = ("--tls-cert", cert, "--tls-key", key, "--tls-ca", self.authority.ca)
        self.central = LiveCentral(
            directory,
            *files,
            "--roster",
            self.roster,
            "--rejoin",
            5,
            *options,
            plain=False,
            tls=True,
            listening=listening,
        )

    @property
    def port(self) -> int:
        """Where TLS is spoken."""
        return self.central.tls_port

    def comes(self, agency: int, version: str = "1.3") -> TlsAgency:
        """Let an agency come with its own certificate."""
        return TlsAgency(self.port, context_of(self.authority.ca, self.pairs[agency], version))

    def reload(self, agencies: dict[int, str]) -> float:
        """Put another roster in force; gives when the signal was sent."""
        write_roster(self.roster, agencies)
        count = len(self.central.matches("action: reload "))
        sent = time.monotonic()
        self.central.send_signal(signal.SIGHUP)
        self.central.wait_for("action: reload ", count=count + 1)
        return sent


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A central for all of whom nobody gets far."""
    made = Town(tmp_path_factory.mktemp("town"))
    with made.central:
        yield made
        assert made.central.matches("PROTO") == []
        assert made.central.matches("accept_connections . result: success") == []


@frozen
class Refused:
    """A certificate that is not good enough.

    :ivar pair: makes it, and its key; None: no certificate at all.
    :ivar says: what the log says of it.
    """

    pair: Callable[[Authority, Path], tuple[Path, Path]] | None
    says: str


def _rogue(authority: Authority, directory: Path) -> tuple[Path, Path]:
    return Authority(directory, "rogue").agency(1, name="rogue-1")


REFUSED: Final = {
    "no certificate": Refused(None, "peer did not return a certificate"),
    "rogue authority": Refused(_rogue, "signed by an authority that is not known"),
    "signed by itself": Refused(
        lambda authority, _: authority.agency(1, name="own", signs_itself=True), "signed by itself"
    ),
    "expired": Refused(
        lambda authority, _: authority.agency(
            1, name="old", not_before=NOW - 9 * DAY, not_after=NOW - DAY
        ),
        "has expired",
    ),
    "not valid yet": Refused(
        lambda authority, _: authority.agency(
            1, name="new", not_before=NOW + DAY, not_after=NOW + 9 * DAY
        ),
        "not valid yet",
    ),
    "made for a server": Refused(
        lambda authority, _: authority.agency(
            1, name="server", usage=ExtendedKeyUsageOID.SERVER_AUTH
        ),
        "not made for this end",
    ),
}


def _send_garbage(port: int, context: ssl.SSLContext) -> None:
    """Send a byte that begins no frame, and wait for an answer."""
    with TlsAgency(port, context) as agency:
        agency.send(GARBAGE)
        agency.receive(1)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_the_handshake(town: Town, name: str, version: str, tmp_path: Path) -> None:
    """An alert, a line in the log that says why, and not a byte is parsed."""
    row = REFUSED[name]
    pair = row.pair(town.authority, tmp_path) if row.pair else None
    since = len(town.central.lines)
    with pytest.raises((ssl.SSLError, ConnectionError, Closed)):
        _send_garbage(town.port, context_of(town.authority.ca, pair, version))
    line = town.central.wait_for(
        r"accept_connections \| result: fail .* code: AUTH \| error: (.*)", since=since
    )
    assert row.says in line[1]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_signed_but_not_on_the_roster(town: Town, version: str) -> None:
    """A good certificate of nobody on the roster: AUTH, before anything is parsed."""
    pair = town.authority.agency(99)
    with TlsAgency(town.port, context_of(town.authority.ca, pair, version)) as agency:
        agency.send(GARBAGE)
        assert agency.error() == ("AUTH", "its certificate is that of no agency")
        town.central.wait_for(rf"port: {agency.address[1]} \| code: AUTH \| error: .*no agency")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_another_agency_than_the_certificate_says(town: Town, version: str) -> None:
    """AUTH, and both numbers stand in the log."""
    with town.comes(2, version) as agency:
        agency.send(hello(1))
        code, sentence = agency.error()
        assert code == "AUTH"
        assert "agency 1" in sentence
        assert "agency 2" in sentence
        town.central.wait_for(rf"port: {agency.address[1]} \| code: AUTH .*agency 1.*agency 2")


def test_an_older_version(town: Town) -> None:
    """TLS 1.1 is refused, whatever the certificate."""
    since = len(town.central.lines)
    context = context_of(town.authority.ca, town.pairs[1])
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        TlsAgency(town.port, context)
    town.central.wait_for(r"code: AUTH \| error: no TLS, unsupported protocol", since=since)


@pytest.mark.parametrize(
    "words", [hello(1), batch_of(made_up(3)), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(600)]
)
def test_plain_text_at_the_tls_port(town: Town, words: bytes) -> None:
    """An alert at most; nothing of it is taken for a frame."""
    since = len(town.central.lines)
    with socket.create_connection(("127.0.0.1", town.port), 30) as peer:
        port = peer.getsockname()[1]
        peer.sendall(words)
        answer = b""
        while more := peer.recv(4096):
            answer += more
    assert answer[:1] in (b"", b"\x15")
    town.central.wait_for(rf"port: {port} \| code: AUTH \| error: no TLS, ", since=since)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_handshake_that_stops(tmp_path: Path, version: str) -> None:
    """Its first half, and then nothing: gone when its time is up."""
    town = Town(tmp_path, 1, "--hello-timeout", 1)
    outgoing = ssl.MemoryBIO()
    client = context_of(None, town.pairs[1], version).wrap_bio(ssl.MemoryBIO(), outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with town.central, socket.create_connection(("127.0.0.1", town.port), 30) as peer:
        port = peer.getsockname()[1]
        peer.sendall(outgoing.read())
        try:
            while peer.recv(4096):
                pass
        except ConnectionResetError:
            pass
        town.central.wait_for(rf"port: {port} \| code: TIMEOUT \| error: .*within 1 s")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_the_other_name_of_the_central(town: Town, version: str) -> None:
    """A client that wants another central than this one does not go on."""
    context = context_of(town.authority.ca, town.pairs[1], version)
    peer = socket.create_connection(("127.0.0.1", town.port), 30)
    with peer, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(peer, server_hostname="central.example")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_whoever_is_on_the_roster_gets_in(tmp_path: Path, version: str) -> None:
    """By fingerprint and by name; a whole day, and everybody hears of its own winners."""
    made = Town(tmp_path, 2, "--draws", 1)
    rows = {agency: made_up(3, number=7574, name=f"N{'x' * agency}") for agency in (1, 2)}
    with made.central as central:
        made.reload({1: made.marks[1], 2: f"uri:{uri_of(2)}"})
        with made.comes(1, version) as one, made.comes(2, version) as two:
            for agency, number in ((one, 1), (two, 2)):
                agency.greet(number)
                agency.send(batch(0, rows[number]) + end(3))
                agency.acknowledged(3, ended=True)
            for agency, number in ((one, 1), (two, 2)):
                told = agency.winners()
                assert told.rows == winning(rows[number])
                agency.send(received(told.draw, told.total))
        assert central.wait() == 0


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_revoked_while_live(tmp_path: Path, version: str) -> None:
    """Out within a second of SIGHUP; its part is decided, and it does not get in again."""
    made = Town(tmp_path, 2)
    with made.central as central, made.comes(1, version) as one, made.comes(2, version) as two:
        for agency, number in ((one, 1), (two, 2)):
            agency.greet(number)
            agency.send(batch(0, made_up(2)))
            agency.acknowledged(2)
        sent = made.reload({2: made.marks[2]})
        *_, (kind, payload) = frames_in(one.rest())
        assert time.monotonic() - sent < OUT_SECONDS
        assert (kind, error_in(payload)[0]) == (ERROR, "AUTH")
        with made.comes(1, version) as again:
            again.send(hello(1))
            assert again.error()[0] == "AUTH"
        two.send(batch(2, made_up(1)) + end(3))
        two.acknowledged(3, ended=True)
        told = two.winners()
        two.send(received(told.draw, told.total))
        line = central.wait_for(r"left_out .* agency: 1 \| reason: (.*)")
        assert "roster" in line[1]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_resumed_after_it_was_revoked(tmp_path: Path, version: str) -> None:
    """A session of TLS is never resumed: each connection shows its certificate."""
    made = Town(tmp_path, 2)
    with made.central, made.comes(1, version) as one:
        one.greet(1)
        earlier = one.session
        made.reload({2: made.marks[2]})
        one.rest()
        context = context_of(made.authority.ca, made.pairs[1], version)
        try:
            again = TlsAgency(made.port, context, session=earlier)
        except ValueError:  # a session belongs to the context that it was made with
            again = made.comes(1, version)
        with again:
            assert not again.resumed
            assert again.error()[0] == "AUTH"


def test_another_certificate(tmp_path: Path) -> None:
    """Who has got a new one comes back with it, and goes on where it was."""
    made = Town(tmp_path, 1)
    with made.central as central, made.comes(1) as one:
        one.greet(1)
        one.send(batch(0, made_up(2)))
        one.acknowledged(2)
        old = made.pairs[1]
        made.pairs[1] = made.authority.agency(1, name="renewed")
        made.reload({1: fingerprint(made.pairs[1][0])})
        assert frames_in(one.rest())[-1][0] == ERROR
        with TlsAgency(made.port, context_of(made.authority.ca, old)) as former:
            assert former.error()[0] == "AUTH"
        with made.comes(1) as again:
            again.greet(1)
            again.send(batch(2, made_up(1)) + end(3))
            again.acknowledged(3, ended=True)
            assert again.winners().total == 0
        assert central.matches("action: left_out") == []


@pytest.mark.parametrize("bad", [b"", b"1,One,sha256:00\n", b"1,One\n", b"\xff\n", None])
def test_a_roster_that_cannot_be_used(tmp_path: Path, bad: bytes | None) -> None:
    """The one in force stays, whole; the log names the line."""
    made = Town(tmp_path, 1)
    with made.central as central, made.comes(1) as one:
        one.greet(1)
        if bad is None:
            made.roster.unlink()
        else:
            made.roster.write_bytes(bad)
        central.send_signal(signal.SIGHUP)
        central.wait_for(r"reload \| result: fail \| error: .*roster\.csv")
        one.send(batch(0, made_up(1)))
        one.acknowledged(1)


def test_a_key_that_cannot_be_used(tmp_path: Path) -> None:
    """Nothing of what was read is put in force: neither the key nor the roster."""
    made = Town(tmp_path, 2)
    with made.central as central, made.comes(1) as one:
        one.greet(1)
        write_roster(made.roster, {2: made.marks[2]})
        (tmp_path / "central.key").chmod(0o644)
        central.send_signal(signal.SIGHUP)
        central.wait_for(r"reload \| result: fail \| error: .*central\.key")
        one.send(batch(0, made_up(1)))
        one.acknowledged(1)


def test_a_new_certificate_of_the_central(tmp_path: Path) -> None:
    """Put in force by SIGHUP, for the connections to come; the others stay."""
    made = Town(tmp_path, 2)
    with made.central, made.comes(1) as one:
        one.greet(1)
        other = Authority(tmp_path, "other")
        other.central("127.0.0.1")
        with pytest.raises(ssl.SSLError):
            TlsAgency(made.port, context_of(other.ca, made.pairs[2]))
        made.reload(made.marks)
        with TlsAgency(made.port, context_of(other.ca, made.pairs[2])) as two:
            two.greet(2)
        one.send(batch(0, made_up(1)))
        one.acknowledged(1)


def test_another_authority(tmp_path: Path) -> None:
    """Whoever has shaken hands under the one before has to do it again, also who is at work."""
    made = Town(tmp_path, 2)
    marks = {each: f"uri:{uri_of(each)}" for each in (1, 2)}
    with made.central as central:
        made.reload(marks)
        idle = made.comes(1)
        with idle, made.comes(2) as busy:
            busy.greet(2)
            busy.send(batch(0, made_up(2)))
            busy.acknowledged(2)
            other = Authority(tmp_path, "other")
            shutil.copy(other.ca, made.authority.ca)
            made.reload(marks)
            assert frames_in(busy.rest())[-1][0] == ERROR
            idle.send(hello(1))
            assert not [kind for kind, _ in frames_in(idle.rest()) if kind == WELCOME]
        new = other.agency(2, name="new-2")
        context = context_of(None, new)
        with TlsAgency(made.port, context) as again:
            again.greet(2)
            again.send(batch(2, made_up(1)) + end(3))
            again.acknowledged(3, ended=True)
        assert central.matches("action: left_out") == []


@pytest.mark.parametrize("start", [0.0, 0.1, 0.3])
def test_a_signal_while_it_starts(tmp_path: Path, start: float) -> None:
    """SIGHUP is a wish, and no end, from its first word on."""
    made = Town(tmp_path, 1, listening=False)
    with made.central as central:
        threading.Event().wait(start)  # no event tells how far it is
        central.send_signal(signal.SIGHUP)
        made.comes(1).close()
        central.wait_for("action: reload . result: success")


def _send_in_small_records(context: ssl.SSLContext, port: int, words: bytes) -> None:
    """Send words in records of a byte each until the central has enough of it, and closes."""
    with TlsAgency(port, context) as agency, suppress(ConnectionError, ssl.SSLError):
        agency.greet(1)
        for byte in words:
            agency.send(bytes((byte,)))
        agency.rest()


def test_tls_that_says_next_to_nothing(tmp_path: Path) -> None:
    """Records of a byte each cost more than they say: parted with, and others go on."""
    made = Town(tmp_path, 2)
    with made.central as central, made.comes(2) as two:
        two.greet(2)
        context = context_of(made.authority.ca, made.pairs[1])
        frames = b"".join(batch(first, made_up(20)) for first in range(0, 600, 20))
        _send_in_small_records(context, made.port, frames)
        central.wait_for(r"agency: 1 .* code: PROTO \| error: 64 KiB of TLS said next to nothing")
        two.send(batch(0, made_up(1)))
        two.acknowledged(1)


def test_the_agencys_own_program(tmp_path: Path) -> None:
    """``lottery agency`` over TLS: a whole day of two."""
    made = Town(tmp_path, 2, "--draws", 1)
    with made.central as central:
        agencies = []
        for number in (1, 2):
            rows = made_up(500, number=7574, name="Ana")
            file = tmp_path / f"agency-{number}.csv"
            file.write_text("".join(f"{row}\n" for row in rows))
            cert, key = made.pairs[number]
            files = ("--tls-cert", cert, "--tls-key", key, "--tls-ca", made.authority.ca)
            agencies.append(LiveAgency(tmp_path, made.port, number, file, *files))
        for agency in agencies:
            with agency:
                assert agency.wait() == 0, agency.log
                assert len(agency.winners()) == 500
        assert central.wait() == 0


def test_a_stranger_among_the_classic(tmp_path: Path) -> None:
    """With a roster the classic dialect is refused, over TLS and in plain text."""
    made = Town(tmp_path, 1)
    with made.central as central:
        with made.comes(1) as one:
            one.send(batch_of(made_up(1)))
            assert one.rest() == b"\xff"
        central.wait_for(r"code: AUTH \| error: the classic dialect has no identity")
        assert not re.search(r"apuesta_recibida \| result: success", central.log)
