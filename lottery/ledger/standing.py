"""How much of an agency is stored in a draw.

A writer child imports this module: nothing slow is imported here.
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32


class Standing(NamedTuple):
    """How much of an agency is stored in a draw.

    ``next_index`` is how many of its bets are. ``crc`` is the CRC-32 of its rows as it sent
    them; that of a classic agency is not kept up and stays 0. ``ended`` says whether its END
    is stored, ``classic`` that it speaks the classic dialect; ``nonce`` are the random bytes
    of its END, none for a classic one. ``session`` counts its sessions at all centrals, if there
    may be several.
    """

    next_index: int = 0
    crc: int = 0
    ended: bool = False
    classic: bool = False
    nonce: bytes = b""
    session: int = 0


def crc_as_sent(rows: bytes, agency: int, crc: int = 0) -> int:
    """Carry on the CRC-32 of an agency's rows as it sent them, which is without the agency.

    :param rows: whole rows of this one agency as they stand in ``bets.csv``.
    :param crc: that of its rows before these.
    """
    prefix = b"%d," % agency
    return crc32(rows.replace(b"\n" + prefix, b"\n")[len(prefix) :], crc)
