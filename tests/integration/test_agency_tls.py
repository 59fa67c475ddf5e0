"""``lottery agency`` over TLS: whom it trusts, who trusts it, and how it says that one does not.

Centrals that are wrong in some way are a socket and a thread, so that they can speak one version
of TLS only. What will never do ends at once, with status 1 and one line.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from live import LiveAgency, LiveCentral, made_up, winning
from lottery1_agency import ERROR
from pki import DAY, NOW, Authority, fingerprint, write_roster

#: Many programs are started here, one after the other.
pytestmark = pytest.mark.slow

VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

#: AUTH: whoever hears this has a connection in both directions.
REFUSAL: Final = bytes([ERROR, 0, 7, 4]) + b"no one"


class Town:
    """An authority, another one that nobody knows, and agency 7."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        rogue = directory / "rogue"
        rogue.mkdir()
        self.rogue = Authority(rogue, "rogue")
        self.agency = self.authority.agency(7)
        self.rogue_agency = self.rogue.agency(7)
        self.bets = directory / "bets.csv"
        self.bets.write_text("".join(f"{row}\n" for row in made_up(1)))

    def goes(
        self, port: int, *options: object, agency: tuple[Path, Path] | None = None
    ) -> LiveAgency:
        """Send agency 7 on its way."""
        cert, key = agency or self.agency
        files = ("--tls-cert", cert, "--tls-key", key, "--tls-ca", self.authority.ca)
        return LiveAgency(self.directory, port, 7, self.bets, *files, *options)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """What all tests need."""
    return Town(tmp_path_factory.mktemp("town"))


class Central:
    """A socket that takes one connection after the other, each with a handshake.

    :ivar port: where it listens.
    :ivar handshakes: for each that is over, what went wrong, or nothing.
    """

    def __init__(self, context: ssl.SSLContext | None, host: str = "127.0.0.1") -> None:
        """:param context: None: it breaks off every handshake."""
        self.handshakes: list[str] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, 0), family=family)
        self.port = self._listening.getsockname()[1]
        self._context = context
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listening.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        if self._context is None:
            connection.recv(1)
            self.handshakes.append("broken off")
            return
        tls = self._context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
        )
        try:
            tls.do_handshake()
            assert tls.recv(100)
            tls.sendall(REFUSAL)
            while tls.recv(100):
                pass
        except (OSError, AssertionError) as error:
            self.handshakes.append(str(error) or "nothing came")
        else:
            self.handshakes.append("")
        # What was said last must not be lost for what was not read.
        try:
            tls.shutdown(socket.SHUT_WR)
            while tls.recv(100):
                pass
        except OSError:
            pass
        tls.close()


def context_of(
    town: Town, pair: tuple[Path, Path], version: ssl.TLSVersion, *, ciphers: str | None = None
) -> ssl.SSLContext:
    """What a central needs that shows ``pair`` and speaks one version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ciphers is not None:
        context.set_ciphers(ciphers)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = version
    context.load_cert_chain(*pair)
    context.load_verify_locations(town.authority.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def ended(agency: LiveAgency, sentence: str, *, action: str = "connect") -> None:
    """The agency gives up at once, with status 1 and one line that ends with the sentence."""
    with agency:
        assert agency.wait() == 1, agency.log
    assert agency.matches("result: in_progress") == [], agency.log
    (line,) = agency.matches(r"ERROR +action: (\w+) \| result: fail \| client_id: 7 .*error: (.*)")
    assert (line[1], line[2]) == (action, sentence)
    assert line[0].count(":") == line[0].count(" | ") + 1  # the grammar of the log
    assert "SSL" not in agency.log
    assert not agency.output.exists()


def gave_up(agency: LiveAgency, sentence: str = "") -> None:
    """The agency tries again and again, and then ends with status 1 and one line that says why."""
    with agency:
        assert agency.wait() == 1, agency.log
    cut_off = r"\| error: was cut off before the welcome, " + re.escape(sentence)
    assert agency.matches(rf"INFO +action: connect \| result: in_progress \| .*{cut_off}")
    (line,) = agency.matches(r"ERROR .*")
    assert re.search(rf"action: connect \| result: fail \| .*{cut_off}", line[0])


Certified = Callable[[Town, Path], tuple[Path, Path]]

#: Certificates of a central that are wrong.
WRONG: Final[dict[str, tuple[Certified, str]]] = {
    "another name": (
        lambda town, directory: town.authority.central("central.example"),
        "the central's certificate is not made for 127.0.0.1",
    ),
    "another address": (
        lambda town, directory: town.authority.central("127.0.0.2"),
        "the central's certificate is not made for 127.0.0.1",
    ),
    "the address as a name": (
        lambda town, directory: town.authority.central("localhost"),
        "the central's certificate is not made for 127.0.0.1",
    ),
    "another authority": (
        lambda town, directory: town.rogue.central(),
        "the central's certificate is signed by an authority that is not known",
    ),
    "of an agency": (
        lambda town, directory: town.authority.agency(8),
        "the central's certificate is not made for this end of a connection",
    ),
    "signed by itself": (
        lambda town, directory: town.authority.agency(9, signs_itself=True),
        "the central's certificate is signed by itself",
    ),
    "expired": (
        lambda town, directory: town.authority.agency(
            10, not_after=NOW - timedelta(hours=1), usage=ExtendedKeyUsageOID.SERVER_AUTH
        ),
        "the central's certificate has expired",
    ),
    "not valid yet": (
        lambda town, directory: town.authority.agency(
            11, not_before=NOW + DAY, usage=ExtendedKeyUsageOID.SERVER_AUTH
        ),
        "the central's certificate is not valid yet",
    ),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", WRONG)
def test_a_central_that_is_not_trusted(town: Town, tmp_path: Path, case: str, version: str) -> None:
    """Nothing is said to it, and the agency says what is wrong with its certificate."""
    pair, sentence = WRONG[case]
    with Central(context_of(town, pair(town, tmp_path), VERSIONS[version])) as central:
        ended(town.goes(central.port), sentence)

    (wrong,) = central.handshakes
    assert "alert" in wrong.lower() or "EOF" in wrong


@pytest.mark.parametrize("version", VERSIONS)
def test_a_central_that_does_not_trust_us(town: Town, version: str) -> None:
    """In TLS 1.3 that is told when the handshake is over for the agency: it hears it all the same.

    Several times, for it may be a matter of what comes first.
    """
    context = context_of(town, town.authority.central(), VERSIONS[version])
    sentence = (
        "the central does not accept our certificate, it does not know the authority that has "
        "signed it"
    )
    with Central(context) as central:
        if version == "1.3":
            for _ in range(3):
                ended(town.goes(central.port, agency=town.rogue_agency), sentence)
            assert len(central.handshakes) == 3
        else:  # before the handshake is done, anybody on the way may have said it
            agency = town.goes(central.port, "--retry-for", 0.5, agency=town.rogue_agency)
            gave_up(agency, sentence)


@pytest.mark.parametrize("version", VERSIONS)
def test_trust(town: Town, version: str) -> None:
    """Both are content, and speak: what the central says arrives."""
    context = context_of(town, town.authority.central(), VERSIONS[version])
    with Central(context) as central:
        ended(town.goes(central.port), "no one", action="session")

    assert central.handshakes == [""]


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("host", ["localhost", "[::1]"])
def test_names_of_the_central(town: Town, host: str) -> None:
    """A host name and an address of IPv6 are checked, too."""
    if host == "[::1]" and not _has_ipv6():
        pytest.skip("this machine has no loopback of IPv6")
    pair = town.authority.central("localhost", "::1")
    where = "::1" if "[" in host else "127.0.0.1"
    with Central(context_of(town, pair, VERSIONS["1.3"]), where) as central:
        agency = town.goes(central.port, "--server", f"{host}:{central.port}")
        ended(agency, "no one", action="session")


def test_an_old_version(town: Town) -> None:
    """TLS 1.1 is not spoken."""
    context = context_of(
        town, town.authority.central(), ssl.TLSVersion.TLSv1_1, ciphers="ALL:@SECLEVEL=0"
    )
    sentence = "the central speaks no version of TLS that we do, 1.2 or 1.3 is needed"
    with Central(context) as central:
        gave_up(town.goes(central.port, "--retry-for", 0.5), sentence)


def test_a_port_for_plain_text(town: Town, tmp_path: Path) -> None:
    """The central says that this is no frame, the agency that this is no TLS."""
    with LiveCentral(tmp_path) as central:
        sentence = "no TLS is spoken there, is it the port for plain text?"
        gave_up(town.goes(central.port, "--retry-for", 0.5), sentence)


def test_a_port_for_tls(town: Town) -> None:
    """An agency that speaks plain text is cut off there without a word, and gives up in its time.

    OpenSSL does not answer to what does not begin like TLS.
    """
    context = context_of(town, town.authority.central(), VERSIONS["1.3"])
    with Central(context) as central:
        gave_up(LiveAgency(town.directory, central.port, 7, town.bets, "--retry-for", 0.5))


def test_a_handshake_that_is_broken_off(town: Town) -> None:
    """That may be better the next time, so it is tried again."""
    with Central(None) as central:
        gave_up(town.goes(central.port, "--retry-for", 0.5))

    assert len(central.handshakes) > 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--tls-key", "open.key"), "others can read the key, chmod 600 keeps them from it"),
        (("--tls-key", "agency-8.key"), "is not the key of the certificate in agency-7.crt"),
        (("--tls-ca", "none.crt"), "can not be read, No such file or directory"),
        (("--server", ".:5"), "no certificate can be made for a host named ."),
    ],
)
def test_files_that_cannot_be_used(
    town: Town, tmp_path: Path, options: tuple[str, str], sentence: str
) -> None:
    """That is a setting that cannot be used: status 2, before anything is connected."""
    authority = Authority(tmp_path)
    authority.agency(8)
    _, key = authority.agency(7)
    (tmp_path / "open.key").write_bytes(key.read_bytes())
    os.chmod(tmp_path / "open.key", 0o640)
    usual = ("--tls-cert", "agency-7.crt", "--tls-key", "agency-7.key", "--tls-ca", "ca.crt")
    with LiveAgency(tmp_path, 1, 7, town.bets, *usual, *options) as agency:
        assert agency.wait() == 2

    (line,) = agency.lines
    name = f"{options[1]}: " if "key" in options[0] or "ca" in options[0] else ""
    assert line == f"lottery: {name}{sentence}"


class TestLiveCentral:
    """With a central of ours."""

    @pytest.fixture
    def central(self, town: Town, tmp_path: Path) -> Iterator[LiveCentral]:
        """It knows agency 7, speaks TLS only, and waits for one agency."""
        cert, key = town.authority.central()
        roster = write_roster(tmp_path / "roster.csv", {7: fingerprint(town.agency[0])})
        files = ("--tls-cert", cert, "--tls-key", key, "--tls-ca", town.authority.ca)
        with LiveCentral(tmp_path, *files, "--roster", roster, plain=False, tls=True) as central:
            yield central

    def test_a_day(self, town: Town, central: LiveCentral, tmp_path: Path) -> None:
        """Thousands of bets go there, the winners come back, and nobody waits for a close."""
        rows = made_up(20_000) + made_up(2_000, number=7574)
        bets = tmp_path / "bets.csv"
        bets.write_text("".join(f"{row}\n" for row in rows))
        cert, key = town.agency
        files = ("--tls-cert", cert, "--tls-key", key, "--tls-ca", town.authority.ca)
        with LiveAgency(tmp_path, central.tls_port, 7, bets, *files) as agency:
            assert agency.wait() == 0, agency.log
        assert agency.winners() == winning(rows)
        assert agency.matches(r"action: config .* \| tls: true \| ")
        central.wait_for("action: delivered")

    def test_not_trusted(self, town: Town, central: LiveCentral) -> None:
        """The central says so in an alert."""
        sentence = (
            "the central does not accept our certificate, it does not know the authority that "
            "has signed it"
        )
        for _ in range(3):
            ended(town.goes(central.tls_port, agency=town.rogue_agency), sentence)

    def test_not_on_the_roster(self, town: Town, central: LiveCentral) -> None:
        """The central says so in a frame."""
        agency = town.goes(central.tls_port, agency=town.authority.agency(8))
        ended(agency, "its certificate is that of no agency", action="session")

    def test_plain_text(self, town: Town, central: LiveCentral) -> None:
        """An agency without TLS gives up in its time."""
        port = central.tls_port
        gave_up(LiveAgency(town.directory, port, 7, town.bets, "--retry-for", 0.5))

    def test_stopped(self, town: Town, central: LiveCentral, tmp_path: Path) -> None:
        """A signal ends an agency that waits, as soon as its connection is closed."""
        pipe = tmp_path / "bets.csv"
        os.mkfifo(pipe)
        # Read and write: without a reader, opening would wait for one.
        with open(os.open(pipe, os.O_RDWR), "wb", buffering=0) as file:
            file.write("".join(f"{row}\n" for row in made_up(500)).encode())
            cert, key = town.agency
            files = ("--tls-cert", cert, "--tls-key", key, "--tls-ca", town.authority.ca)
            with LiveAgency(tmp_path, central.tls_port, 7, pipe, *files) as agency:
                agency.wait_for("action: connect . result: success")
                status, seconds = agency.stop(signal.SIGTERM)
        assert status == 0, agency.log
        assert seconds < 2, agency.log
