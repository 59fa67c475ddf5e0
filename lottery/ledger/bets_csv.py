"""Makes ``bets.csv`` of a draw's segments, and its digests.

Everything here may run for seconds and is made for a thread of its own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import IO

from attrs import frozen

from lottery.ledger.index import Ledger
from lottery.ledger.longwork import Aside
from lottery.ledger.publish import published
from lottery.ledger.record import FileDigest
from lottery.ledger.standing import crc_as_sent

#: So much is written before it is flushed; what is left for the end is no more.
_FLUSH_BYTES = 64 << 20


@frozen
class RowsDigest:
    """An agency's rows in ``bets.csv``.

    :ivar crc32: of its rows as sent; 0 for a classic agency, and for none.
    """

    bets: int
    bytes: int
    sha256: str
    crc32: int


def write_rows(ledger: Ledger, out: IO[bytes]) -> int:
    """Write all rows in order and give their length in bytes.

    :raises OSError: if they cannot be written, and as :meth:`Ledger.rows_of`.
    """
    return sum(out.write(rows) for rows in ledger.rows())


def make_bets_csv(
    ledger: Ledger, path: Path, crcs: Mapping[int, int]
) -> tuple[FileDigest, dict[int, RowsDigest]]:
    """Publish ``bets.csv``: whole and on disk under its name, or not there at all.

    :returns: as :func:`digest`.
    :raises OSError: as :func:`published`, and as :meth:`Ledger.rows_of`.
    """
    with published(path) as out:
        return digest(ledger, crcs, out)


def digest(
    ledger: Ledger, crcs: Mapping[int, int], out: IO[bytes] | None
) -> tuple[FileDigest, dict[int, RowsDigest]]:
    """Give the digests of ``bets.csv`` as it would be made of the ledger, and write it, if asked.

    Rows are digested, and what was written of them is flushed, beside the next ones being read.
    Their CRC-32 as sent would take longer than all of that, so an agency that has ended keeps
    the one which was acknowledged to it; whoever audits the draw computes it anew.

    :param crcs: those CRC-32, by agency.
    :returns: that of the file, and that of each agency's rows in it.
    :raises OSError: as :func:`write_rows`.
    """
    bets = size = unflushed = 0
    whole = hashlib.sha256()
    digests = {}
    with Aside() as digesting, Aside() as flushing:
        for agency in ledger.agencies:
            part, length = hashlib.sha256(), 0
            found = ledger.standing_of(agency, crcs.get(agency, 0))
            crc, crc_is_known = found.crc, found.classic or agency in crcs
            for rows in ledger.rows_of(agency):
                digesting.do(partial(_digest_in, (whole, part)), rows)
                length += len(rows)
                if not crc_is_known:
                    crc = crc_as_sent(rows, agency, crc)
                if out is not None:
                    unflushed += out.write(rows)
                    if unflushed >= _FLUSH_BYTES:
                        unflushed = 0
                        flushing.do(os.fdatasync, out.fileno())
            digesting.settle()
            bets += found.next_index
            size += length
            digests[agency] = RowsDigest(found.next_index, length, part.hexdigest(), crc)
    return FileDigest(bets, size, whole.hexdigest()), digests


def _digest_in(hashes: Iterable[hashlib._Hash], rows: bytes) -> None:
    for each in hashes:
        each.update(rows)
