"""``lottery.central.tls``: handshakes of true OpenSSL at both ends, joined without a socket."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Final

import pytest
import trustme
from attrs import frozen
from central_fakes import House, batch, bets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from OpenSSL import SSL
from OpenSSL.crypto import X509, PKey
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from lottery.central.admission import Admission
from lottery.central.roster import Roster, read_roster
from lottery.central.tls import Handshakes, TlsFactory, context_for_agencies, marks_of, sentence_of
from lottery.errors import Code, SettingsError
from lottery.tls import Credentials
from lottery.wire import lottery1
from lottery.wire.decoder import Decoder
from lottery.wire.messages import Ack, Error, Hello, Message, Welcome

# Twisted hands OpenSSL what newer versions of pyOpenSSL would rather have in another form.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

NOW: Final = datetime.now(UTC)
DAY: Final = timedelta(days=1)
VERSIONS: Final = {
    "1.1": SSL.TLS1_1_VERSION,
    "1.2": SSL.TLS1_2_VERSION,
    "1.3": SSL.TLS1_3_VERSION,
}
SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH
NOBODY: Final = Error(Code.AUTH, "its certificate is that of no agency")
LATE: Final = "it did not say who it is within 5 s"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@frozen
class Pair:
    """A certificate, its key, and what leads from it to an authority."""

    certificate: x509.Certificate
    key: Key
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def mark(self) -> str:
        """Its mark in a roster."""
        return f"sha256:{self.certificate.fingerprint(hashes.SHA256()).hex()}"


def authority(name: str = "the authority") -> Pair:
    """An authority, the same one for the same name."""
    return _authority(name)


@cache
def _authority(name: str) -> Pair:
    """An authority of trustme's."""
    made = trustme.CA(organization_name=name)
    key = serialization.load_pem_private_key(made.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Pair(x509.load_pem_x509_certificate(made.cert_pem.bytes()), key)


def issued(
    by: Pair | None,
    *extensions: x509.ExtensionType,
    since: timedelta = -DAY,
    until: timedelta = DAY,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
    authority: bool = False,
    key: Key | None = None,
) -> Pair:
    """A certificate that is good for an agency, or not.

    :param by: who signs it; None: itself.
    :param since: from when it is valid, seen from now, and ``until`` when.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    # A name of its own: who has that of its signer would count as signed by itself.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{serial:x}")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.certificate.subject if by else name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(NOW + since)
        .not_valid_after(NOW + until)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    chain = (by.certificate, *by.chain) if by else ()
    return Pair(builder.sign(by.key if by else key, hashes.SHA256()), key, chain)


@cache
def central(name: str = "the authority") -> Pair:
    """The certificate of the central."""
    return issued(authority(name), usage=SERVER)


@cache
def agency(number: int) -> Pair:
    """The certificate of an agency."""
    uri = x509.UniformResourceIdentifier(f"urn:lottery:agency:{number}")
    return issued(authority(), x509.SubjectAlternativeName([uri]))


def credentials(own: Pair, *trusted: Pair) -> Credentials:
    """What a central shows, and whom it believes: :func:`authority`, if nobody else."""
    return Credentials(
        PKey.from_cryptography_key(own.key),
        X509.from_cryptography(own.certificate),
        tuple(map(X509.from_cryptography, own.chain)),
        tuple(X509.from_cryptography(each.certificate) for each in trusted or (authority(),)),
    )


class Town:
    """A house whose agencies come over TLS.

    :ivar handshakes: what they begin with.
    :ivar admission: who may come in.
    """

    def __init__(self, directory: Path, **pairs: Pair) -> None:
        """:param pairs: by ``aN``, who is on the roster; agencies 1 and 2, if nobody is named."""
        who = {int(name[1:]): pair for name, pair in pairs.items()} or {1: agency(1), 2: agency(2)}
        self.handshakes = Handshakes(context_for_agencies(credentials(central())))
        self.admission = Admission(roster_of(directory, who))
        self.house = House(
            directory, admission=self.admission, over=partial(TlsFactory, self.handshakes)
        )

    def failures(self) -> list[tuple[str, str]]:
        """Code and sentence of who did not get in, in lines that everybody sees."""
        lines = self.house.log.of("accept_connections")
        seen = [each for each in lines if each["level"] == "WARNING"]
        return [(each["code"], each["error"]) for each in seen]


def roster_of(directory: Path, pairs: dict[int, Pair]) -> Roster:
    """A roster with the fingerprints of these."""
    path = directory / "roster.csv"
    path.write_text("".join(f"{n},Agency {n},{pair.mark}\n" for n, pair in pairs.items()))
    return read_roster(path)


class Peer:
    """A client of OpenSSL's, at the other end of a connection of a house.

    :ivar agency: the connection, where bytes are encrypted.
    :ivar looked: each certificate that the central has shown to it: 0 for its own.
    :ivar errors: what went wrong, in OpenSSL's words.
    :ivar closed: whether the central has said that it closes.
    """

    def __init__(
        self,
        town: Town,
        pair: Pair | None,
        version: str = "1.3",
        *,
        early: bytes = b"",
        resumes: Peer | None = None,
        trusts: Pair | None = None,
        begins: bool = True,
    ) -> None:
        """Shake hands.

        :param early: what is sent right behind the handshake.
        :param resumes: whose session of TLS it would like to go on with, and has all else of.
        :param trusts: the authority of the central, if that is looked at.
        :param begins: whether it does anything by itself.
        """
        self.looked: list[int] = resumes.looked if resumes else []
        self.context = resumes.context if resumes else self._context(pair, version, trusts)
        self.agency = town.house.arrive()
        self.errors: list[str] = []
        self.closed = False
        self.tls = SSL.Connection(self.context, None)
        self.tls.set_connect_state()
        if resumes is not None:
            session = resumes.tls.get_session()
            assert session is not None
            self.tls.set_session(session)
        self._house = town.house
        self._decoder = Decoder(lottery1.TO_AGENCY)
        self._handshaken = False
        self._unsaid = early
        if begins:
            self.settle()

    def _context(self, pair: Pair | None, version: str, trusts: Pair | None) -> SSL.Context:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(VERSIONS[version])
        context.set_max_proto_version(VERSIONS[version])
        # So that the central has to find what is wrong, and not this end.
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        if pair is not None:
            context.use_certificate(X509.from_cryptography(pair.certificate))
            for each in pair.chain:
                context.add_extra_chain_cert(X509.from_cryptography(each))
            context.use_privatekey(PKey.from_cryptography_key(pair.key))
        if trusts is not None:
            store = context.get_cert_store()
            assert store is not None
            store.add_cert(X509.from_cryptography(trusts.certificate))
            context.set_verify(SSL.VERIFY_PEER, self._looks)
        return context

    def _looks(self, _tls: object, _shown: object, _number: int, depth: int, good: int) -> bool:
        self.looked.append(depth)
        return bool(good)

    def say(self, *words: Message | bytes) -> None:
        """Send messages, or any bytes."""
        for word in words:
            self._unsaid += word if isinstance(word, bytes) else lottery1.encode(word)
        self.settle()

    def heard(self) -> list[Message]:
        """The messages since the last time that these were asked for."""
        self.settle()
        found = []
        while (message := self._decoder.next_message()) is not None:
            found.append(message)
        return found

    def close(self) -> None:
        """Say that this end closes."""
        self.tls.shutdown()
        self.settle()

    def settle(self) -> None:
        """Let both ends have their turns until nothing moves."""
        while True:
            self._turn()
            sent = self.outgoing()
            self.agency.transport.arriving += sent
            self._house.settle()
            came = self.agency.bytes_heard()
            if came:
                self.tls.bio_write(came)
            elif not sent:
                return

    def outgoing(self) -> bytes:
        """Take what OpenSSL wants to be sent."""
        data = b""
        try:
            while True:
                data += self.tls.bio_read(65536)
        except SSL.WantReadError:
            return data

    def _turn(self) -> None:
        try:
            if not self._handshaken:
                self.tls.do_handshake()
                self._handshaken = True
            if self._unsaid:
                self.tls.send(self._unsaid)
                self._unsaid = b""
            while True:
                self._decoder.receive(self.tls.recv(65536))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            if not self.closed:
                self.closed = True
                self.tls.shutdown()
        except SSL.Error as error:
            self.errors += [each[2] for each in error.args[0]] if error.args else ["?"]


BOTH = pytest.mark.parametrize("version", ["1.2", "1.3"])


# Who gets in.


@BOTH
def test_a_session_over_tls(tmp_path: Path, version: str) -> None:
    """From the handshake to the close, which both ends say."""
    town = Town(tmp_path)
    with town.house:
        peer = Peer(town, agency(1), version)
        assert peer.tls.get_protocol_version_name() == f"TLSv{version}"
        peer.say(Hello(1))
        (welcome,) = peer.heard()
        assert isinstance(welcome, Welcome)
        peer.say(batch(bets(1, 3)))
        assert peer.heard() == [Ack(3)]
        (line,) = [e for e in town.house.log.of("accept_connections") if e["result"] == "success"]
        assert (line["agency"], line["ip"]) == ("1", "127.0.0.1")
        peer.say(b"\0")
        (error,) = peer.heard()
        assert isinstance(error, Error)
        assert error.code is Code.PROTO
        assert peer.closed
        assert peer.errors == []
        assert not peer.agency.connected
        assert not peer.agency.transport.aborted


@BOTH
def test_a_byte_at_a_time(tmp_path: Path, version: str) -> None:
    """However the stream is cut, the handshake included."""
    town = Town(tmp_path)
    with town.house:
        peer = Peer(town, agency(1), version, early=lottery1.encode(Hello(1)), begins=False)
        for _ in range(10):
            peer._turn()
            for byte in peer.outgoing():
                peer.agency.transport.arriving.append(byte)
                town.house.settle()
            came = peer.agency.bytes_heard()
            if came:
                peer.tls.bio_write(came)
        assert len(peer.heard()) == 1
        assert town.failures() == []


@BOTH
def test_an_agency_behind_an_authority_of_its_own(tmp_path: Path, version: str) -> None:
    """One that the central's has signed, which the agency shows with its own."""
    branch = issued(authority(), authority=True)
    pair = issued(branch)
    town = Town(tmp_path, a7=pair)
    with town.house:
        peer = Peer(town, pair, version)
        peer.say(Hello(7))
        assert len(peer.heard()) == 1


def test_the_central_shows_its_chain(tmp_path: Path) -> None:
    """So that who knows the root only can check it."""
    town = Town(tmp_path)
    branch = issued(authority("another"), authority=True)
    own = issued(branch, usage=SERVER)
    town.handshakes.context = context_for_agencies(credentials(own))
    with town.house:
        peer = Peer(town, agency(1), trusts=authority("another"))
        peer.say(Hello(1))
        assert len(peer.heard()) == 1
        assert peer.errors == []


# Who does not.


def _weak() -> Pair:
    return issued(authority(), key=rsa.generate_private_key(65537, 1024))


@frozen
class Refused:
    """A certificate that is not good enough, and what the log says of it."""

    make: Callable[[], Pair | None]
    says: str


REFUSED: Final = {
    "none": Refused(lambda: None, "no TLS, peer did not return a certificate"),
    "of another authority": Refused(
        lambda: issued(authority("a rogue")),
        "its certificate is signed by an authority that is not known",
    ),
    "of another authority that it shows, too": Refused(
        lambda: issued(issued(authority("a rogue"), authority=True)),
        "its certificate is signed by an authority that is not known",
    ),
    "signed by itself": Refused(lambda: issued(None), "its certificate is signed by itself"),
    "expired": Refused(
        lambda: issued(authority(), since=-9 * DAY, until=-DAY), "its certificate has expired"
    ),
    "not valid yet": Refused(
        lambda: issued(authority(), since=DAY, until=9 * DAY), "its certificate is not valid yet"
    ),
    "made for a server": Refused(
        lambda: issued(authority(), usage=SERVER),
        "its certificate is not made for this end of a connection",
    ),
    "of an authority that has expired": Refused(
        lambda: issued(issued(authority(), authority=True, since=-9 * DAY, until=-DAY)),
        "the authority of its certificate has expired",
    ),
    "signed by an agency": Refused(
        lambda: issued(issued(authority())), "the authority of its certificate may not sign others"
    ),
    "with a weak key": Refused(_weak, "its certificate has a key that is too weak"),
}


@BOTH
@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_the_handshake(tmp_path: Path, name: str, version: str) -> None:
    """On the roster or not: an alert, a line that says why, and not a byte is parsed."""
    row = REFUSED[name]
    pair = row.make()
    town = Town(tmp_path, **({"a1": pair} if pair else {}))
    with town.house:
        peer = Peer(town, pair, version, early=b"\0")
        peer.settle()
        ((code, sentence),) = town.failures()
        assert code == "AUTH"
        assert row.says in sentence
        assert len(peer.errors) >= 1
        assert peer.heard() == []
        assert not peer.agency.connected
        assert town.house.draw.places[0].agency is None


@BOTH
def test_signed_but_not_on_the_roster(tmp_path: Path, version: str) -> None:
    """It is told so, and not a byte of it is parsed."""
    town = Town(tmp_path)
    with town.house:
        peer = Peer(town, agency(3), version, early=b"\0")
        assert peer.heard() == [NOBODY]
        assert town.failures() == [("AUTH", NOBODY.sentence)]
        assert not peer.agency.connected


@BOTH
def test_another_number_than_the_certificate_says(tmp_path: Path, version: str) -> None:
    """Both numbers are named, to the peer and in the log."""
    town = Town(tmp_path)
    with town.house:
        peer = Peer(town, agency(2), version)
        peer.say(Hello(1))
        sentence = "it says agency 1, its certificate is that of agency 2"
        assert peer.heard() == [Error(Code.AUTH, sentence)]
        assert town.failures() == [("AUTH", sentence)]


def test_an_older_version(tmp_path: Path) -> None:
    """TLS 1.1 is refused, whatever the certificate."""
    town = Town(tmp_path)
    with town.house:
        peer = Peer(town, agency(1), "1.1")
        assert town.failures() == [("AUTH", "no TLS, unsupported protocol")]
        assert len(peer.errors) == 1


@pytest.mark.parametrize(
    "words",
    [lottery1.encode(Hello(1)), b"\1\0\0" * 2, b"GET / HTTP/1.1\r\n\r\n", bytes(600), b"\x80" * 9],
)
def test_plain_text(tmp_path: Path, words: bytes) -> None:
    """An alert at most; nothing of it is taken for a frame."""
    town = Town(tmp_path)
    with town.house:
        stranger = town.house.arrive()
        stranger.say(words)
        assert stranger.bytes_heard()[:1] in (b"", b"\x15")
        ((code, sentence),) = town.failures()
        assert code == "AUTH"
        assert sentence.startswith("no TLS, ")
        assert not stranger.connected


@BOTH
def test_an_agency_that_does_not_believe_the_central(tmp_path: Path, version: str) -> None:
    """It breaks off with an alert, which the log tells."""
    town = Town(tmp_path)
    with town.house:
        peer = Peer(town, agency(1), version, trusts=authority("another"))
        assert "certificate verify failed" in peer.errors
        assert town.failures() == [("AUTH", "no TLS, tlsv1 alert unknown ca")]


@BOTH
def test_a_handshake_that_stops(tmp_path: Path, version: str) -> None:
    """Its first half, and then nothing: gone when its time is up."""
    town = Town(tmp_path)
    with town.house as house:
        peer = Peer(town, agency(1), version, begins=False)
        peer._turn()
        peer.agency.transport.arriving += peer.outgoing()
        house.advance(4.5)
        assert peer.agency.connected
        house.advance(0.5)
        assert not peer.agency.connected
        assert town.failures() == [("TIMEOUT", LATE)]


@BOTH
def test_silence_behind_a_handshake(tmp_path: Path, version: str) -> None:
    """It is told why; whether it takes that or not, it is gone in bounded time."""
    town = Town(tmp_path)
    with town.house as house:
        polite, deaf = Peer(town, agency(1), version), Peer(town, agency(2), version)
        house.advance(5)
        assert polite.heard() == [Error(Code.TIMEOUT, LATE)]
        assert not polite.agency.connected
        assert deaf.agency.connected
        house.advance(5)
        assert not deaf.agency.connected
        assert deaf.agency.transport.aborted


@BOTH
def test_a_peer_that_closes(tmp_path: Path, version: str) -> None:
    """With a word of TLS or without: it is cut off, and its part waits as ever."""
    town = Town(tmp_path)
    with town.house:
        for number in (1, 2):
            peer = Peer(town, agency(number), version)
            peer.say(Hello(number))
            if number == 1:
                peer.close()
            else:
                peer.agency.close()
            assert not peer.agency.connected
        assert [each["code"] for each in town.house.log.of("agency")] == ["LEFT_OUT", "LEFT_OUT"]


@BOTH
def test_a_peer_that_does_not_read(tmp_path: Path, version: str) -> None:
    """It is read from, and what it sent is stored; it is gone in bounded time when it has to be."""
    town = Town(tmp_path)
    with town.house as house:
        peer = Peer(town, agency(1), version)
        peer.say(Hello(1))
        peer.heard()
        peer.agency.stop_reading()
        rows = bets(1, 200)
        peer.say(*(batch([row], index) for index, row in enumerate(rows)))
        assert house.draw.places[0].stored == 200
        peer.say(b"\0")
        house.advance(4.5)
        assert peer.agency.connected
        house.advance(0.5)
        assert not peer.agency.connected
        assert peer.agency.transport.aborted


@BOTH
def test_stop(tmp_path: Path, version: str) -> None:
    """In time, whoever is half through its handshake, silent, or at work; who can be is told."""
    town = Town(tmp_path)
    with town.house as house:
        half = Peer(town, agency(1), version, begins=False)
        half._turn()
        half.agency.transport.arriving += half.outgoing()
        silent, working = Peer(town, agency(1), version), Peer(town, agency(2), version)
        working.say(Hello(2), batch(bets(2, 3)))
        house.stop()
        stopping = Error(Code.STOPPING, "the central is being stopped")
        assert silent.heard() == [stopping]
        assert working.heard()[-1] == stopping
        assert not half.agency.connected


# Every connection shows its certificate.


@BOTH
def test_nothing_is_resumed(tmp_path: Path, version: str) -> None:
    """An earlier session of TLS is worth nothing: each connection shows its certificate."""
    town = Town(tmp_path)
    with town.house:
        peer = first = Peer(town, agency(1), version, trusts=authority())
        for _ in range(3):
            peer.say(Hello(1))
            assert isinstance(peer.heard()[-1], Welcome)
            peer = Peer(town, None, resumes=peer)
        assert first.looked.count(0) == 4
        town.admission.roster = roster_of(tmp_path, {2: agency(2)})
        assert Peer(town, None, resumes=peer).heard() == [NOBODY]


def test_nothing_is_renegotiated(tmp_path: Path) -> None:
    """A handshake within a connection could change the certificate, and costs a lot."""
    town = Town(tmp_path)
    with town.house:
        peer = Peer(town, agency(1), "1.2")
        peer.say(Hello(1))
        assert len(peer.heard()) == 1
        peer.tls.renegotiate()
        peer._handshaken = False
        peer.settle()
        assert peer.errors == ["no renegotiation"]


@BOTH
def test_other_credentials_take_their_place(tmp_path: Path, version: str) -> None:
    """For the handshakes that begin from then on; who is there stays, or ends what it began."""
    town = Town(tmp_path)
    with town.house:
        there = Peer(town, agency(1), version, trusts=authority())
        there.say(Hello(1))
        begun = Peer(town, agency(2), version, trusts=authority(), begins=False)
        town.handshakes.context = context_for_agencies(credentials(central("another")))
        begun.say(Hello(2))
        there.say(batch(bets(1, 1)))
        assert len(begun.heard()) == 1
        assert there.heard()[-1] == Ack(1)
        assert Peer(town, agency(2), version, trusts=authority()).errors != []
        later = Peer(town, agency(2), version, trusts=authority("another"))
        later.say(Hello(2))
        assert len(later.heard()) == 1


def test_other_authorities_take_their_place(tmp_path: Path) -> None:
    """Whoever was good enough before is not any more."""
    town = Town(tmp_path)
    with town.house:
        town.handshakes.context = context_for_agencies(credentials(central(), authority("another")))
        Peer(town, agency(1))
        sentence = "its certificate is signed by an authority that is not known"
        assert town.failures() == [("AUTH", sentence)]


# The parts.


def test_credentials_that_do_not_fit() -> None:
    """OpenSSL's own words, in a sentence."""
    own = Pair(central().certificate, agency(1).key)
    with pytest.raises(SettingsError) as error:
        context_for_agencies(credentials(own))
    assert str(error.value) == "TLS cannot use the certificate or key, key values mismatch"


def test_a_connection_that_nobody_wants() -> None:
    """The factory of sessions says no: nothing is put around that."""
    handshakes = Handshakes(context_for_agencies(credentials(central())))
    verifyObject(IOpenSSLServerConnectionCreator, handshakes)

    class Sessions(Factory):
        """One session, and then none."""

        wanted = True

        def buildProtocol(self, addr: object) -> Protocol | None:  # type: ignore[override]
            return Protocol() if self.wanted else None

    sessions = Sessions()
    factory = TlsFactory(handshakes, sessions, Clock())
    assert not factory.noisy
    assert isinstance(factory.buildProtocol(None), TLSMemoryBIOProtocol)
    sessions.wanted = False
    assert factory.buildProtocol(None) is None


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (SSL.Error([("SSL routines", "", "no shared cipher")]), "no TLS, no shared cipher"),
        (SSL.Error([("SSL routines", "", "far"), ("x", "y", "near it")]), "no TLS, near it"),
        (SSL.Error([("SSL routines", "", "")]), "no TLS, the handshake failed"),
        (SSL.Error([]), "no TLS, the handshake failed"),
        (SSL.Error(), "no TLS, the handshake failed"),
        (SSL.SysCallError(-1, "Unexpected EOF"), "no TLS, the handshake failed"),
        (OSError(5, "Input/output error"), "no TLS, the handshake failed"),
    ],
)
def test_sentences(error: Exception, sentence: str) -> None:
    """Whatever there is to be said of a handshake that has failed."""
    assert sentence_of(Failure(error)) == sentence


def marks(*extensions: x509.ExtensionType) -> set[str]:
    """The marks of a certificate, without its SHA-256, which has to be among them."""
    pair = issued(None, *extensions)
    found = marks_of(X509.from_cryptography(pair.certificate))
    assert pair.mark in found
    return set(found) - {pair.mark}


def test_marks() -> None:
    """Names of hosts, in lower case, and URIs, as they are; no other kind of name."""
    assert marks() == set()
    other = [
        x509.RFC822Name("agency@example.org"),
        x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example")])),
    ]
    assert marks(x509.SubjectAlternativeName(other)) == set()
    named = [
        *other,
        x509.DNSName("A.Example"),
        x509.DNSName("*.example"),
        x509.UniformResourceIdentifier("urn:Lottery:7"),
    ]
    expected = {"dns:a.example", "dns:*.example", "uri:urn:Lottery:7"}
    assert marks(x509.SubjectAlternativeName(named)) == expected


@pytest.mark.parametrize("value", [b"", b"garbage", b"\x30\x03\x82\x01\xff", b"\x30\x05\x86\x01"])
def test_names_that_cannot_be_read(value: bytes) -> None:
    """Are no marks; the certificate has its SHA-256 all the same."""
    oid = ExtensionOID.SUBJECT_ALTERNATIVE_NAME
    assert marks(x509.UnrecognizedExtension(oid, value)) == set()


def test_marks_are_those_of_a_roster(tmp_path: Path) -> None:
    """However they are written there."""
    uri = x509.UniformResourceIdentifier("urn:lottery:agency:7")
    names = x509.SubjectAlternativeName([x509.DNSName("seven.example"), uri])
    pair = issued(authority(), names)
    digits = pair.mark.removeprefix("sha256:").upper()
    colons = ":".join(digits[place : place + 2] for place in range(0, 64, 2))
    path = tmp_path / "roster.csv"
    for mark in (f"SHA256:{colons}", pair.mark, "DNS:Seven.EXAMPLE", "uri:urn:lottery:agency:7"):
        path.write_text(f"7,Seven,{mark}\n")
        found = read_roster(path).whose(marks_of(X509.from_cryptography(pair.certificate)))
        assert found.number == 7
