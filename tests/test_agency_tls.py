"""``lottery.agency.tls``: handshakes of true OpenSSL at both ends, joined without a socket."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from agency_rig import HELLO_7, WELCOME, ListedFile, TcpTransport, settings_of
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL
from OpenSSL.crypto import X509
from pki import DAY, NOW, Authority
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.verify import verifyObject

from lottery.agency.attempts import Attempts
from lottery.agency.client import AgencyClient
from lottery.agency.failures import Distrust, NotReached
from lottery.agency.tls import Handshakes, TlsEndpoint, told_of
from lottery.agency.upload import Upload
from lottery.errors import SettingsError
from lottery.settings import TlsFiles
from lottery.tls import Credentials, read_credentials

# OpenSSL is handed what newer versions of pyOpenSSL would rather have in another form.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

VERSIONS: Final = {
    "1.1": SSL.TLS1_1_VERSION,
    "1.2": SSL.TLS1_2_VERSION,
    "1.3": SSL.TLS1_3_VERSION,
}
BOTH = pytest.mark.parametrize("version", ["1.2", "1.3"])
UNKNOWN: Final = (
    "the central does not accept our certificate, it does not know the authority that has signed it"
)


class Noted(Protocol):
    """An end of a connection that takes notes.

    :ivar heard: what has arrived.
    :ivar why: why the connection is lost.
    """

    def __init__(self) -> None:
        self.heard = b""
        self.why: BaseException | None = None

    def connectionMade(self) -> None:
        """Speak first, as agencies do."""
        self.transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        """Note it."""
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note why."""
        self.why = reason.value


@implementer(IStreamClientEndpoint)
class Wire:
    """The way to a central that is there, as a pair of transports in memory.

    :ivar transport: that of the agency.
    :ivar heard: what the central has been told, decrypted.
    :ivar said: what the central tells as soon as it can.
    :ivar errors: what went wrong at the central, in OpenSSL's words.
    :ivar names: the server names that were asked for.
    """

    def __init__(self, clock: Clock, credentials: Credentials, version: str = "1.3") -> None:
        self.heard = b""
        self.said = b""
        self.errors: list[str] = []
        self.names: list[bytes | None] = []
        self.handshaken = self.lost = self.closing = False
        self._clock = clock
        self._protocol: Any = None
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        # So that the agency has to find what is wrong, and not this end.
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        context.set_min_proto_version(VERSIONS[version])
        context.set_max_proto_version(VERSIONS[version])
        context.use_certificate(credentials.certificate)
        context.use_privatekey(credentials.key)
        store = context.get_cert_store()
        assert store is not None
        for each in credentials.authorities:
            store.add_cert(each)
        context.set_verify(
            SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *found: bool(found[-1])
        )
        context.set_tlsext_servername_callback(
            lambda connection: self.names.append(connection.get_servername())
        )
        self._tls = SSL.Connection(context, None)
        self._tls.set_accept_state()

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Connect at once."""
        self._protocol = protocolFactory.buildProtocol(None)
        self.transport = TcpTransport()
        self._protocol.makeConnection(self.transport)
        connected: Deferred[Any] = Deferred()
        connected.callback(self._protocol)
        return connected

    def settle(self) -> None:
        """Let both ends have their turns until nothing moves."""
        moved = True
        while moved:
            self._clock.advance(0)
            data = self.transport.value()
            self.transport.clear()
            if data:
                self._tls.bio_write(data)
            self._turn()
            came = self._outgoing()
            if came and not self.lost:
                self._protocol.dataReceived(came)
            moved = bool(data or came)
            if self.transport.disconnecting or self.transport.disconnected:
                self.lose(ConnectionDone())

    def lose(self, why: Exception) -> None:
        """End the connection of the agency."""
        if not self.lost:
            self.lost = True
            self._protocol.connectionLost(Failure(why))

    def close(self) -> None:
        """Say that the central closes."""
        self._tls.shutdown()
        self.settle()

    def plain(self, data: bytes) -> None:
        """Say something without TLS."""
        self._protocol.dataReceived(data)
        if self.transport.disconnecting:
            self.lose(ConnectionDone())

    def _turn(self) -> None:
        try:
            if not self.handshaken:
                self._tls.do_handshake()
                self.handshaken = True
            if self.said:
                self._tls.send(self.said)
                self.said = b""
            while True:
                self.heard += self._tls.recv(65536)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            if not self.closing:
                self.closing = True
                self._tls.shutdown()
        except SSL.Error as error:
            self.errors += [each[2] for each in error.args[0]] if error.args else ["?"]

    def _outgoing(self) -> bytes:
        data = b""
        try:
            while True:
                data += self._tls.bio_read(65536)
        except SSL.WantReadError:
            return data


class Town:
    """Certificates of one authority, and of another one."""

    def __init__(self, directory: Path) -> None:
        self._directories = (directory, directory / "rogue")
        self._directories[1].mkdir()
        self.authorities = [Authority(each) for each in self._directories]
        self.agency = self.of(self.authorities[0].agency(7))
        self.rogue_agency = self.of(self.authorities[1].agency(7))

    def of(self, pair: tuple[Path, Path], now: datetime = NOW) -> Credentials:
        """What shows this certificate, and trusts the authority."""
        return read_credentials(TlsFiles(*pair, self.authorities[0].ca), now)

    def central(self, *hosts: str) -> Credentials:
        """What the central shows."""
        return self.of(self.authorities[0].central(*hosts))

    def timed(self, since: timedelta, until: timedelta) -> Credentials:
        """What a central shows that is good at another time."""
        usage = ExtendedKeyUsageOID.SERVER_AUTH
        pair = self.authorities[0].agency(
            8, not_before=NOW + since, not_after=NOW + until, usage=usage
        )
        return self.of(pair, NOW + (since + until) / 2)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """Certificates for all tests."""
    return Town(tmp_path_factory.mktemp("town"))


class Rig:
    """An agency's end on its way to a central."""

    def __init__(
        self,
        central: Credentials,
        agency: Credentials,
        *,
        host: str = "127.0.0.1",
        version: str = "1.3",
    ) -> None:
        self.clock = Clock()
        self.wire = Wire(self.clock, central, version)
        self.endpoint = TlsEndpoint(self.wire, Handshakes(agency, host), self.clock)
        self.agency = Noted()
        connected: list[Any] = []
        self.endpoint.connect(Factory.forProtocol(lambda: self.agency)).addCallback(
            connected.append
        )
        assert connected == [self.agency]

    def doubt(self) -> str:
        """Fail of what anybody on the way may have said; gives what is told."""
        self.wire.settle()
        assert type(self.agency.why) is ConnectionError
        assert self.agency.heard == b""
        return str(self.agency.why)

    def distrust(self) -> str:
        """Fail of the handshake; gives what is told, to an agency that has heard nothing."""
        self.wire.settle()
        assert isinstance(self.agency.why, Distrust)
        assert self.agency.heard == b""
        return str(self.agency.why)


def test_interfaces(town: Town) -> None:
    """They are what Twisted takes."""
    handshakes = Handshakes(town.agency, "127.0.0.1")
    assert verifyObject(IOpenSSLClientConnectionCreator, handshakes)
    wire = Wire(Clock(), town.central())
    assert verifyObject(IStreamClientEndpoint, TlsEndpoint(wire, handshakes, Clock()))


# Whom the agency trusts.


@BOTH
@pytest.mark.parametrize(
    ("host", "made_for", "asked"),
    [
        ("127.0.0.1", "127.0.0.1", None),
        ("::1", "::1", None),
        ("fe80::1%eth0", "fe80::1", None),
        ("central.example", "central.example", b"central.example"),
        ("Central.Example.", "central.example", b"central.example"),
        ("a.town.example", "*.town.example", b"a.town.example"),
    ],
)
def test_trust(town: Town, host: str, made_for: str, asked: bytes | None, version: str) -> None:
    """Words go in both directions; a central of many names is told which one is meant."""
    names = ("other.example", made_for)
    rig = Rig(town.central(*names), town.agency, host=host, version=version)
    rig.wire.said = b"welcome"
    rig.wire.settle()
    assert (rig.wire.heard, rig.agency.heard) == (b"hello", b"welcome")
    assert rig.wire.names == [asked]
    assert rig.wire.errors == []


@BOTH
@pytest.mark.parametrize(
    ("host", "made_for"),
    [
        ("127.0.0.1", "127.0.0.2"),
        ("127.0.0.1", "localhost"),
        ("::1", "::2"),
        ("central.example", "example"),
        ("central.example", "central.example.org"),
        ("a.b.town.example", "*.town.example"),
        ("central", "127.0.0.1"),
    ],
)
def test_another_name(town: Town, host: str, made_for: str, version: str) -> None:
    """A good certificate of somebody else is none; the central is told nothing."""
    rig = Rig(town.central(made_for), town.agency, host=host, version=version)
    assert rig.distrust() == f"the central's certificate is not made for {host}"
    assert rig.wire.heard == b""


@BOTH
def test_certificate_without_a_name(town: Town, version: str) -> None:
    """Only with the name of an agency, which says nothing of a host."""
    rig = Rig(town.timed(-DAY, DAY), town.agency, version=version)
    assert rig.distrust() == "the central's certificate is not made for 127.0.0.1"


@BOTH
@pytest.mark.parametrize(
    ("since", "until", "sentence"),
    [
        (-2 * DAY, -DAY, "the central's certificate has expired"),
        (DAY, 2 * DAY, "the central's certificate is not valid yet"),
    ],
)
def test_another_time(
    town: Town, since: timedelta, until: timedelta, sentence: str, version: str
) -> None:
    """A certificate that is not good today."""
    rig = Rig(town.timed(since, until), town.agency, version=version)
    assert rig.distrust() == sentence
    assert rig.wire.heard == b""


@BOTH
def test_another_authority(town: Town, version: str) -> None:
    """Whoever has made it, it is not ours."""
    rig = Rig(town.of(town.authorities[1].central()), town.agency, version=version)
    expected = "the central's certificate is signed by an authority that is not known"
    assert rig.distrust() == expected
    assert rig.wire.heard == b""


@BOTH
def test_certificate_of_an_agency(town: Town, version: str) -> None:
    """An agency cannot pass for the central."""
    rig = Rig(town.agency, town.agency, version=version)
    expected = "the central's certificate is not made for this end of a connection"
    assert rig.distrust() == expected


# Who trusts the agency.


@BOTH
def test_not_trusted(town: Town, version: str) -> None:
    """The central's alert becomes a sentence, also behind the handshake, as in TLS 1.3."""
    rig = Rig(town.central(), town.rogue_agency, version=version)
    assert (rig.distrust() if version == "1.3" else rig.doubt()) == UNKNOWN
    assert rig.wire.heard == b""


def test_an_old_version(town: Town) -> None:
    """TLS 1.1 is not spoken."""
    rig = Rig(town.central(), town.agency, version="1.1")
    expected = "the central speaks no version of TLS that we do, 1.2 or 1.3 is needed"
    assert rig.doubt() == expected


@pytest.mark.parametrize(
    "answer",
    [b"\x24\x00\x10\x010x16 begins no frame", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail\r\n"],
)
def test_plain_text(town: Town, answer: bytes) -> None:
    """What answers is no TLS."""
    rig = Rig(town.central(), town.agency)
    rig.wire.plain(answer)
    assert rig.doubt() == "no TLS is spoken there, is it the port for plain text?"


@pytest.mark.parametrize("why", [ConnectionDone(), ConnectionLost()])
@pytest.mark.parametrize("answer", [b"", b"\xff"])
def test_cut_during_the_handshake(town: Town, answer: bytes, why: Exception) -> None:
    """Nobody can say what that means: it is no distrust."""
    rig = Rig(town.central(), town.agency)
    if answer:
        rig.wire.plain(answer)
    rig.wire.lose(why)
    assert isinstance(rig.agency.why, ConnectionDone | ConnectionLost)


@BOTH
def test_cut_later(town: Town, version: str) -> None:
    """As any connection; what does not decrypt ends it, too."""
    rig = Rig(town.central(), town.agency, version=version)
    rig.wire.settle()
    rig.wire.plain(b"\x17\x03\x03\x00\x05wrong")
    assert isinstance(rig.agency.why, ConnectionError)
    assert "[" not in str(rig.agency.why)


@pytest.mark.parametrize(
    "words",
    [
        "tlsv1 alert {}",
        "sslv3 alert {}",
        "tlsv13 alert {}",
        "tls alert {}",
        "ssl/tls alert {}",
    ],
)
@pytest.mark.parametrize(
    ("alert", "sentence"),
    [
        ("unknown ca", UNKNOWN),
        ("bad certificate", "the central does not accept our certificate, it finds it bad"),
        (
            "certificate expired",
            "the central does not accept our certificate, it has expired or is not valid yet",
        ),
        ("certificate revoked", "the central does not accept our certificate, it is revoked"),
        (
            "certificate required",
            "the central does not accept our certificate, none has reached it",
        ),
        (
            "certificate unknown",
            "the central does not accept our certificate, it gives no reason",
        ),
        (
            "unsupported certificate",
            "the central does not accept our certificate, it is not made for an agency",
        ),
        (
            "handshake failure",
            "the central finds no way to encrypt that both have, or wants another certificate",
        ),
        (
            "protocol version",
            "the central speaks no version of TLS that we do, 1.2 or 1.3 is needed",
        ),
    ],
)
@pytest.mark.parametrize("done", [False, True])
def test_alerts(words: str, alert: str, sentence: str, done: bool) -> None:
    """Each version of OpenSSL has its own words before the alert's name.

    Before the handshake is done anybody may have said it, so it is tried again.
    """
    error = SSL.Error([("SSL routines", "", words.format(alert))])
    told = told_of(error, handshake_done=done)
    assert isinstance(told, Distrust if done else ConnectionError)
    assert str(told) == sentence


@pytest.mark.parametrize(
    ("error", "done", "sentence"),
    [
        (
            SSL.Error([("SSL routines", "", "tlsv1 alert internal error")]),
            False,
            "TLS was broken off, tlsv1 alert internal error",
        ),
        (
            SSL.Error([("SSL routines", "", "wrong version number")]),
            True,
            "TLS was broken off, wrong version number",
        ),
        (SSL.Error([]), False, "TLS was broken off, no reason is known"),
        (SSL.Error(), True, "TLS was broken off, no reason is known"),
    ],
)
def test_what_may_pass(error: SSL.Error, done: bool, sentence: str) -> None:
    """Anything else is worth another attempt."""
    told = told_of(error, handshake_done=done)
    assert isinstance(told, ConnectionError)
    assert str(told) == sentence


@pytest.mark.parametrize("host", [".", "%eth0", "a:b"])
def test_hosts_without_a_certificate(town: Town, host: str) -> None:
    """For these no certificate can be made out."""
    with pytest.raises(SettingsError, match="no certificate can be made for a host named"):
        Handshakes(town.agency, host)


def test_credentials_that_do_not_fit(town: Town) -> None:
    """What OpenSSL does not take is told in a sentence."""
    other = town.of(town.authorities[0].agency(9))
    mixed = Credentials(
        other.key, town.agency.certificate, town.agency.chain, town.agency.authorities
    )
    with pytest.raises(SettingsError, match=r"TLS cannot use the certificate or key, [a-z ]+$"):
        Handshakes(mixed, "127.0.0.1")


# How connections end.


@BOTH
def test_we_close(town: Town, version: str) -> None:
    """What is written leaves first; the central hears that it is a close, and closes, too."""
    rig = Rig(town.central(), town.agency, version=version)
    rig.wire.settle()
    rig.agency.transport.write(b" and goodbye")
    rig.agency.transport.loseConnection()
    rig.wire.settle()
    assert rig.wire.heard == b"hello and goodbye"
    assert rig.wire.closing
    assert isinstance(rig.agency.why, ConnectionDone)


@BOTH
def test_the_central_closes(town: Town, version: str) -> None:
    """That is a clean end."""
    rig = Rig(town.central(), town.agency, version=version)
    rig.wire.settle()
    rig.wire.close()
    assert isinstance(rig.agency.why, ConnectionDone)


class Visit:
    """An attempt of agency 7 to be welcomed over TLS."""

    def __init__(self, town: Town, agency: Credentials | None = None) -> None:
        self.clock = Clock()
        self.wire = Wire(self.clock, town.central("central"))
        handshakes = Handshakes(agency or town.agency, "central")
        endpoint = TlsEndpoint(self.wire, handshakes, self.clock)
        attempts = Attempts(settings_of(Path("/nowhere")), endpoint, self.clock)
        self.results: list[Any] = []
        self.failures: list[Failure] = []
        upload = Upload("bets.csv", ListedFile())  # type: ignore[arg-type]
        welcomed = attempts.welcomed(0, upload, lambda rows: None)
        Deferred.fromCoroutine(welcomed).addCallbacks(self.results.append, self.failures.append)

    def why(self) -> BaseException:
        """Why there was no welcome; nothing is left to wait for."""
        (failure,) = self.failures
        self.clock.advance(0)  # older versions of Twisted still look for something to write
        assert self.clock.getDelayedCalls() == []
        assert failure.value is not None
        return failure.value


class TestVisits:
    """The agency's own end of such a connection."""

    def test_welcome(self, town: Town) -> None:
        """HELLO and WELCOME, and then the way to close: both ends say so."""
        visit = Visit(town)
        visit.wire.said = WELCOME
        visit.wire.settle()
        assert visit.wire.heard == HELLO_7
        ((client, _),) = visit.results
        assert isinstance(client, AgencyClient)
        assert client.has_room

        closed: list[None] = []
        client.close().addCallback(closed.append)
        visit.wire.settle()
        assert (visit.wire.closing, closed) == (True, [None])

    def test_left(self, town: Town) -> None:
        """Who waits for the central to close hears of it."""
        visit = Visit(town)
        visit.wire.said = WELCOME
        visit.wire.settle()
        ((client, _),) = visit.results
        left: list[None] = []
        client.left().addCallback(left.append)
        visit.wire.close()
        assert left == [None]

    def test_distrust_is_final(self, town: Town) -> None:
        """It is not one of the errors that another attempt may mend."""
        visit = Visit(town, town.rogue_agency)
        visit.wire.settle()
        error = visit.why()
        assert isinstance(error, Distrust)
        assert str(error) == UNKNOWN

    def test_cut(self, town: Town) -> None:
        """As without TLS."""
        visit = Visit(town)
        visit.wire.lose(ConnectionDone())
        error = visit.why()
        assert isinstance(error, NotReached)
        assert str(error).startswith("was cut off before the welcome, connection ")

    def test_central_that_says_nothing(self, town: Town) -> None:
        """A handshake that does not go on ends with the time for a welcome, and then at once."""
        visit = Visit(town)
        visit.clock.advance(30)
        visit.clock.advance(2)
        assert visit.wire.transport.disconnected
        error = visit.why()
        assert isinstance(error, NotReached)
        assert str(error) == "was not welcomed within 30 s"


def test_key_and_certificate_are_shown(town: Town) -> None:
    """The rig would find out if they were not: it wants a certificate."""
    rig = Rig(town.central(), town.agency)
    rig.wire.settle()
    shown = rig.wire._tls.get_peer_certificate()
    assert isinstance(shown, X509)
    assert shown.to_cryptography() == town.agency.certificate.to_cryptography()
