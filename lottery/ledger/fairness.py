"""A number that can be proved fair: a secret that is promised first, and what is made of it.

The bytes are those of ``docs/fairness.md``; ``lottery audit`` has its own version of them.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from lottery.errors import DamagedLedger
from lottery.ledger.publish import published

SECRET_BYTES: Final = 32
NUMBERS: Final = 10_000
"""How many numbers there are, from 0 up."""

_DOMAIN: Final = b"lottery number 1\n"
_RANGE: Final = 1 << 64
#: Values from here on would make the lowest numbers likelier, so the next one is taken.
_LIMIT: Final = _RANGE - _RANGE % NUMBERS


def make_secret(path: Path) -> bytes:
    """Publish a new secret, in a file that is its owner's alone, and give it.

    :raises OSError: if it is not known to be on disk.
    """
    secret = secrets.token_bytes(SECRET_BYTES)
    with published(path) as out:
        out.write(b"%s\n" % secret.hex().encode())
    return secret


def read_secret(path: Path) -> bytes:
    """Give a secret that was published.

    :raises DamagedLedger: if it is not there, or is none.
    :raises OSError: if it cannot be read.
    """
    try:
        text = path.read_bytes()
        secret = bytes.fromhex(text.decode())
    except FileNotFoundError as error:
        raise DamagedLedger(str(path), 0, "it is missing, and its hash is published") from error
    except ValueError as error:
        raise DamagedLedger(str(path), 0, "it is no secret") from error
    if text != b"%s\n" % secret.hex().encode() or len(secret) != SECRET_BYTES:
        raise DamagedLedger(str(path), 0, "it is no secret")
    return secret


def read_promised(path: Path, commitment: str) -> bytes:
    """Give the secret whose hash was published.

    :raises DamagedLedger: as :func:`read_secret`, or if it is another one.
    :raises OSError: if it cannot be read.
    """
    secret = read_secret(path)
    if commitment_of(secret) != commitment:
        raise DamagedLedger(str(path), 0, "it is another secret than the one that was promised")
    return secret


def commitment_of(secret: bytes) -> str:
    """Give what is published of a secret before the first bet: its SHA-256 in hex."""
    return hashlib.sha256(secret).hexdigest()


def number_of(secret: bytes, bets_sha256: str, nonces: Iterable[tuple[int, bytes]]) -> int:
    """Give the winning number, 0 to 9999, each of them as likely as the others.

    :param secret: 32 bytes.
    :param bets_sha256: of ``bets.csv`` as it was sealed, in hex.
    :param nonces: of each agency that has some, in order of the agencies: its 32 bytes.
    """
    seed = hashlib.sha256(_DOMAIN + secret + bytes.fromhex(bets_sha256))
    for agency, nonce in nonces:
        seed.update(agency.to_bytes(4, "big") + nonce)
    counter = 0
    while True:
        block = hashlib.sha256(seed.digest() + counter.to_bytes(4, "big")).digest()
        value = int.from_bytes(block[:8], "big")
        if value < _LIMIT:
            return value % NUMBERS
        counter += 1
