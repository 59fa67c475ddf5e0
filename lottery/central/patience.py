"""How long a peer has for what."""

from __future__ import annotations

from attrs import frozen


@frozen
class Patience:
    """How long a peer has, in seconds, each above 0.

    :ivar hello: from its connection until it has taken a place, a TLS handshake included.
    :ivar frame: from the first byte of a frame to its last, while the central reads.
    :ivar close: to close the connection behind our last words.
    """

    hello: float
    frame: float
    close: float
