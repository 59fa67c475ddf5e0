"""TLS at the agency: a central is spoken to only if its certificate is good, and made for it.

What goes wrong is told in our words: for good if another attempt would end in the same way, and
else as any connection that was cut. Imported only where TLS is asked for: it needs packages that
are an extra.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from OpenSSL import SSL
from OpenSSL.crypto import X509
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from lottery.agency.failures import Distrust
from lottery.errors import SettingsError
from lottery.tls import Credentials, context_of, flaw_of, words_of

_NO_TLS = "no TLS is spoken there, is it the port for plain text?"
_NO_VERSION = "the central speaks no version of TLS that we do, 1.2 or 1.3 is needed"
_NO_CIPHER = "the central finds no way to encrypt that both have, or wants another certificate"
_NOT_OURS = "the central does not accept our certificate"

#: What the central tells us about the handshake that will not change, by the name of the alert.
_ALERTS: Mapping[str, str] = {
    "unknown ca": f"{_NOT_OURS}, it does not know the authority that has signed it",
    "bad certificate": f"{_NOT_OURS}, it finds it bad",
    "unsupported certificate": f"{_NOT_OURS}, it is not made for an agency",
    "certificate revoked": f"{_NOT_OURS}, it is revoked",
    "certificate expired": f"{_NOT_OURS}, it has expired or is not valid yet",
    "certificate unknown": f"{_NOT_OURS}, it gives no reason",
    "certificate required": f"{_NOT_OURS}, none has reached it",
    "access denied": f"{_NOT_OURS}, it may not come in",
    "decrypt error": f"{_NOT_OURS}, the key does not fit",
    "handshake failure": _NO_CIPHER,
    "insufficient security": _NO_CIPHER,
    "protocol version": _NO_VERSION,
}

#: What OpenSSL says of a handshake that would end in the same way again.
_FAULTS: Mapping[str, str] = {
    "wrong version number": _NO_TLS,
    "http request": _NO_TLS,
    "packet length too long": _NO_TLS,
    "unknown protocol": _NO_TLS,
    "unsupported protocol": _NO_VERSION,
    "wrong ssl version": _NO_VERSION,
    "certificate verify failed": "the central's certificate does not check out",
}


@implementer(IOpenSSLClientConnectionCreator)
class Handshakes:
    """Begins each handshake; within it, the central's certificate is looked at.

    :param credentials: who we are, and whose certificates are good.
    :param host: for which the central's certificate has to be made: a name, or an IP address.
    :raises SettingsError: if OpenSSL does not take the credentials, or no certificate could be
        made for the host.
    """

    def __init__(self, credentials: Credentials, host: str) -> None:
        self._context = context_of(credentials)
        self._host = host
        # Neither the interface of an address nor a dot that ends a name stand in certificates.
        plain = host.partition("%")[0].removesuffix(".")
        self._server_name = b""
        try:
            if isIPAddress(plain) or isIPv6Address(plain):
                self._identity: DNS_ID | IPAddress_ID = IPAddress_ID(plain)
            else:
                self._identity = DNS_ID(plain)
                self._server_name = self._identity.hostname
        except ValueError:
            raise SettingsError(f"no certificate can be made for a host named {host}") from None

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make what shakes hands with the central."""
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(protocol)
        if self._server_name:
            connection.set_tlsext_host_name(self._server_name)
        connection.set_verify(SSL.VERIFY_PEER, self._verified)
        return connection

    def _verified(
        self, connection: SSL.Connection, certificate: X509, number: int, depth: int, good: int
    ) -> bool:
        """Judge one certificate, and note what is wrong with it: OpenSSL says only that it is."""
        if not good:
            flaw = flaw_of(number, depth, "the central's")
        elif depth == 0 and not self._is_made_for_host(certificate):
            flaw = f"the central's certificate is not made for {self._host}"
        else:
            return True
        connection.get_app_data().wrappedProtocol.distrust(flaw)
        return False

    def _is_made_for_host(self, certificate: X509) -> bool:
        try:
            verify_service_identity(extract_patterns(certificate), [self._identity], [])
        except Exception:  # noqa: BLE001 (it is not, or its names cannot be read, in whatever way)
            return False
        return True


@implementer(IStreamClientEndpoint)
class TlsEndpoint:
    """The way to a central that speaks TLS.

    A connection that is lost before it could be trusted is lost for the reason of a
    :class:`~lottery.agency.failures.Distrust`.

    :param endpoint: the same way, without TLS.
    :param handshakes: begins those with the central.
    :param clock: for what is written a moment later.
    """

    def __init__(
        self, endpoint: IStreamClientEndpoint, handshakes: Handshakes, clock: IReactorTime
    ) -> None:
        self._endpoint = endpoint
        self._handshakes = handshakes
        self._clock = clock

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect; the handshake goes on while the protocol begins to write."""
        telling: WrappingFactory[_TellingProtocol] = WrappingFactory(protocolFactory)
        telling.protocol = _TellingProtocol
        telling.noisy = False
        tls = TLSMemoryBIOFactory(self._handshakes, True, telling, self._clock)
        connecting = cast(Deferred[TLSMemoryBIOProtocol], self._endpoint.connect(tls))
        return connecting.addCallback(_innermost)


def _innermost(tls: TLSMemoryBIOProtocol) -> IProtocol:
    """The protocol that speaks within TLS."""
    return cast(_TellingProtocol, tls.wrappedProtocol).wrappedProtocol


@implementer(IHandshakeListener)
class _TellingProtocol(ProtocolWrapper):
    """Stands between TLS and an agency's end of a connection; tells that one why it is lost."""

    _flaw = ""
    _done = False

    def distrust(self, flaw: str) -> None:
        """Note what is wrong with the central's certificate; the handshake fails of it."""
        self._flaw = flaw

    def handshakeCompleted(self) -> None:
        """Note that only the central may have doubts from now on."""
        self._done = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hand on why the connection is lost."""
        if self._flaw:
            reason = Failure(Distrust(self._flaw))
        elif reason.check(SSL.Error):
            reason = Failure(told_of(reason.value, handshake_done=self._done))
        super().connectionLost(reason)  # type: ignore[no-untyped-call]


def told_of(error: BaseException | None, *, handshake_done: bool) -> Exception:
    """Put an error of OpenSSL into our words.

    Before the handshake is done anybody on the way can say anything; so nothing of it is final. In
    TLS 1.3 the central looks at our certificate only when the handshake is over for us.

    :return: a Distrust if another attempt would end in the same way.
    """
    words = words_of(error)
    alert = re.search("alert (.+)", words)
    sentence = _ALERTS.get(alert[1]) if alert else None
    if sentence is None and not handshake_done:
        sentence = _FAULTS.get(words)
    if sentence is not None:
        return Distrust(sentence) if handshake_done else ConnectionError(sentence)
    return ConnectionError(f"TLS was broken off, {words or 'no reason is known'}")
