"""The proof of a random number: the secret that was promised, and the number made of it.

======  ==========================================================================
bytes   what is hashed to the seed with SHA-256, in this order
======  ==========================================================================
17      ``lottery number 1`` and LF
32      the secret
32      SHA-256 of bets.csv
36      of each agency of lottery/1 that succeeded: its number, and its nonce
======  ==========================================================================

The SHA-256 of the seed and a counter of 4 bytes begins with 8 bytes; the first of these, counted
from 0, that are below the highest multiple of 10,000 give the number, modulo 10,000.
"""

from __future__ import annotations

import hashlib
from itertools import count
from typing import Final

from lottery.audit.differences import Differs
from lottery.audit.record import NAME, DrawRecord
from lottery.audit.states import KEPT

_PREFIX: Final = b"lottery number 1\n"
_HIGHEST_MULTIPLE: Final = 18_446_744_073_709_550_000


def check_secret(record: DrawRecord, kept: bytes | None) -> bytes | None:
    """Hold the secret against its hash, and the number against the secret.

    :param kept: the bytes of the file that keeps the secret; None if it is not there.
    :returns: the secret that was promised, if it is known.
    :raises Differs: at the first that is another one.
    """
    promised, revealed = record.commitment, record.secret
    if promised is None:
        return None
    secret = revealed
    if kept is not None:
        secret = _secret_in(kept)
        if hashlib.sha256(secret).hexdigest() != promised:
            line = record.lines["commitment"]
            raise Differs(KEPT, f"its SHA-256 is not the one promised in {NAME}, line {line}")
        if revealed is not None and secret != revealed:
            line = record.lines["secret"]
            raise Differs(NAME, f"this is another secret than that of {KEPT}", line=line)
    if revealed is None:
        return secret
    if hashlib.sha256(revealed).hexdigest() != promised:
        line = record.lines["secret"]
        raise Differs(NAME, "its SHA-256 is not the one that was promised", line=line)
    number = derived_number(record, revealed)
    if number != record.winning_number:
        line = record.lines["winning_number"]
        what = f"the secret, the seal and the agencies' nonces give {number}"
        raise Differs(NAME, what, line=line)
    return revealed


def seed_of(record: DrawRecord, secret: bytes) -> bytes:
    """Hash what the number of a sealed draw is made of."""
    assert record.bets_csv is not None
    whole = _PREFIX + secret + bytes.fromhex(record.bets_csv.sha256)
    for part in record.parts:
        if part.succeeded and not part.classic:
            whole += part.agency.to_bytes(4, "big") + part.nonce
    return hashlib.sha256(whole).digest()


def derived_number(record: DrawRecord, secret: bytes) -> int:
    """Make the number of a sealed draw anew."""
    seed = seed_of(record, secret)
    blocks = (hashlib.sha256(seed + number.to_bytes(4, "big")).digest() for number in count())
    values = (int.from_bytes(block[:8], "big") for block in blocks)
    return next(value for value in values if value < _HIGHEST_MULTIPLE) % 10_000


def _secret_in(kept: bytes) -> bytes:
    try:
        secret = bytes.fromhex(kept.decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) != 32 or kept != secret.hex().encode() + b"\n":
        raise Differs(KEPT, "it should be 64 small hexadecimal digits and a line feed", byte=0)
    return secret
