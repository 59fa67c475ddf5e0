"""TLS at the central: whom it lets shake hands, and how a certificate is known.

Imported only where TLS is spoken: it needs packages that are an extra.
"""

from __future__ import annotations

from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.interfaces import (
    IAddress,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IReactorTime,
    ITransport,
)
from twisted.internet.protocol import Protocol
from twisted.protocols.tls import (
    BufferingTLSTransport,
    TLSMemoryBIOFactory,
    TLSMemoryBIOProtocol,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from lottery.central.receiver import MessageReceiver
from lottery.errors import Code
from lottery.tls import Credentials, context_of, flaw_of, words_of

#: The longest record of TLS.
READ_BYTES = 16 << 10
#: A peer may send so many bytes that say nothing, beyond so many times as many as those that do: a
#: handshake with a chain of certificates has its room in it, and so have frames of a few bytes.
QUIET_BYTES = 64 << 10
MOST_OVERHEAD = 4


def context_for_agencies(credentials: Credentials) -> SSL.Context:
    """Make what handshakes with agencies need of credentials.

    Who has no certificate of the authority gets no further. Sessions are never resumed, so every
    connection shows its certificate: there are neither tickets nor a cache.

    :raises SettingsError: if OpenSSL does not take them.
    """
    context = context_of(credentials)
    context.set_options(SSL.OP_NO_RENEGOTIATION)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _verified)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    return context


@implementer(IOpenSSLServerConnectionCreator)
class Handshakes:
    """Begins each handshake with the credentials in force.

    :ivar context: has them; another one may take its place at any time.
    """

    def __init__(self, context: SSL.Context) -> None:
        """:param context: of :func:`context_for_agencies`."""
        self.context = context

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make what shakes hands with one peer."""
        connection = SSL.Connection(self.context, None)
        connection.set_app_data(protocol)
        return connection


class Encrypted(BufferingTLSTransport):
    """TLS under one session; a peer whose TLS says nothing is parted with.

    Records of a byte, or of none, updates of keys, a handshake that never ends: they cost the
    central far more than whoever sends them, and what is answered to them queues for a peer that
    does not read. So what comes is weighed against what it says, and not more than a record's
    worth of it is taken in one turn of the reactor.
    """

    _quiet = 0

    def makeConnection(self, transport: ITransport) -> None:
        """Begin."""
        transport.bufferSize = READ_BYTES  # type: ignore[attr-defined]
        super().makeConnection(transport)  # type: ignore[no-untyped-call]

    def dataReceived(self, data: bytes) -> None:
        """Take what came, and weigh it."""
        session = cast(MessageReceiver, self.wrappedProtocol)
        before = session.bytes_heard
        super().dataReceived(data)  # type: ignore[no-untyped-call]
        said = session.bytes_heard - before
        self._quiet = max(0, self._quiet + len(data) - MOST_OVERHEAD * said)
        if self._quiet > QUIET_BYTES and self.connected:
            session.fail(Code.PROTO, f"{QUIET_BYTES >> 10} KiB of TLS said next to nothing")
            self.abortConnection()  # type: ignore[no-untyped-call]


class TlsFactory(TLSMemoryBIOFactory):
    """Puts TLS under the connections of another factory, if that wants any."""

    noisy = False
    protocol = Encrypted

    def __init__(
        self, handshakes: Handshakes, sessions: IProtocolFactory, clock: IReactorTime
    ) -> None:
        super().__init__(handshakes, False, sessions, clock)

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:  # type: ignore[override]
        """Give a connection its session over TLS; None, which closes it, as ``sessions`` does."""
        session = self.wrappedFactory.buildProtocol(addr)
        # Twisted's own wraps None as if it were a protocol.
        return None if session is None else self.protocol(self, session)


def _verified(
    connection: SSL.Connection, _certificate: X509, number: int, depth: int, good: int
) -> bool:
    """Note what is wrong with a certificate: OpenSSL's own error says only that something is."""
    if not good:
        refused = connection.get_app_data().wrappedProtocol.certificate_refused
        refused(flaw_of(number, depth, "its"))
    return bool(good)


def sentence_of(reason: Failure) -> str:
    """Say why a handshake has failed."""
    return f"no TLS, {words_of(reason.value) or 'the handshake failed'}"


def marks_of(certificate: X509) -> frozenset[str]:
    """Give the marks by which a roster may know a certificate; see :mod:`lottery.central.roster`.

    A name that cannot be read is no mark; the SHA-256 is there in any case.
    """
    read = certificate.to_cryptography()
    marks = {f"sha256:{read.fingerprint(SHA256()).hex()}"}
    try:
        extension = read.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except Exception:  # noqa: BLE001 (a certificate can be odd in more ways than are documented)
        return frozenset(marks)
    names = extension.value
    marks |= {f"dns:{name.lower()}" for name in names.get_values_for_type(x509.DNSName)}
    marks |= {f"uri:{name}" for name in names.get_values_for_type(x509.UniformResourceIdentifier)}
    return frozenset(marks)
