"""Agencies over TLS, with whatever certificate and version a test wants."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from classic_agency import ClassicAgency, Peer
from lottery1_agency import Lottery1Agency

VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def context_of(
    ca: Path | None = None, pair: tuple[Path, Path] | None = None, version: str = "1.3"
) -> ssl.SSLContext:
    """What a handshake of this version needs; without ``ca`` any central is good enough."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = VERSIONS[version]
    if ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(ca)
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


class _Encrypted(Peer):
    """A connection that is encrypted."""

    def __init__(
        self,
        port: int,
        context: ssl.SSLContext,
        *,
        session: ssl.SSLSession | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        """Connect and shake hands.

        In TLS 1.3 a client learns only when it reads that its certificate was refused.

        :param session: one to be resumed.
        :param receive_buffer: as of :class:`Peer`.
        :raises ssl.SSLError: if the handshake fails.
        """
        super().__init__(port, receive_buffer=receive_buffer)
        plain = self._socket
        try:
            self._socket = self._tls = context.wrap_socket(
                plain, server_hostname="127.0.0.1", session=session
            )
        except BaseException:
            plain.close()
            raise

    @property
    def session(self) -> ssl.SSLSession | None:
        """What another connection might resume."""
        return self._tls.session

    @property
    def resumed(self) -> bool:
        """Whether the handshake went on from an earlier one."""
        return bool(self._tls.session_reused)

    def rest(self) -> bytes:
        """Read until the other end closes; that it does so without a word is closing, too."""
        data = b""
        while True:
            try:
                more = self._socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                return data
            if not more:
                return data
            data += more


class TlsAgency(_Encrypted, Lottery1Agency):
    """An agency of lottery/1 whose connection is encrypted."""


class TlsClassicAgency(_Encrypted, ClassicAgency):
    """A classic agency whose connection is encrypted, which says nothing of who it is."""
