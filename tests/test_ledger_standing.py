"""``lottery.ledger.standing``: the CRC-32 that an agency can check its file against."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rows

from lottery.ledger.standing import Standing, crc_as_sent


def test_an_agency_of_which_nothing_is_stored() -> None:
    """All of a standing has the value of an agency that has just come."""
    assert Standing() == (0, 0, False, False, b"", 0)


@pytest.mark.parametrize("agency", [0, 3, 33, 2**32 - 1])
def test_crc_by_hand(agency: int) -> None:
    """The agency is left out at the begin of each row, and only there."""
    text = b"%d,Ana,3,33,3,3\n%d,33,3,3,3,3\n" % (agency, agency)
    assert crc_as_sent(text, agency) == zlib.crc32(b"Ana,3,33,3,3\n33,3,3,3,3\n")
    assert crc_as_sent(b"", agency, 7) == 7


@given(st.lists(rows(), max_size=9), st.integers(0, 9), st.sampled_from([0, 1, 11, 2**32 - 1]))
def test_crc_of_any_rows_in_any_parts(sent: list[str], cut: int, agency: int) -> None:
    """It is that of the rows as sent, however they are cut into batches."""
    stored = [f"{agency},{row}\n".encode() for row in sent]
    crc = crc_as_sent(b"".join(stored[:cut]), agency)
    crc = crc_as_sent(b"".join(stored[cut:]), agency, crc)
    assert crc == zlib.crc32("".join(f"{row}\n" for row in sent).encode())
