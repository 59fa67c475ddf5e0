"""``lottery.audit.tails``: what may be the beginning of a record, and what may not."""

from __future__ import annotations

import pytest
from audit_rig import CLOSE, END, HEAD, ROWS, TODAY, record_bytes

from lottery.audit.tails import Place, Tail, impossible

AT = 500
PLACE = Place(AT, draw=7, number=2, flushed=300)
BODY = b"3,Ana,Paz,1,1999-03-17,1\n" + "3,Zoë,Gil,2,1984-12-01,42\n".encode()
NONCE = bytes(range(32))


def rows(**changes: object) -> bytes:
    """ROWS of agency 3, changed."""
    arguments = {"agency": 3, "first": 40, "bets": 2, "body": BODY, "flushed": 300, **changes}
    return record_bytes(ROWS, **arguments)  # type: ignore[arg-type]


WHOLE = {
    "rows": (PLACE, rows()),
    "first of a group": (PLACE, rows(flushed=AT)),
    "classic rows": (PLACE, rows(dialect=1)),
    "end": (PLACE, record_bytes(END, 3, 40, 0, NONCE, 300)),
    "classic end": (PLACE, record_bytes(END, 3, 40, 0, b"", AT, dialect=1)),
    "close": (PLACE, record_bytes(CLOSE, flushed=AT)),
    "head": (Place(0, 7, 2, 0), record_bytes(HEAD, 0, 7, 2)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_every_beginning(name) -> None:
    """All that is less than a record, from nothing on, is the beginning of one."""
    place, record = WHOLE[name]
    for length in range(len(record)):
        found = impossible(record[:length], place, TODAY)
        assert isinstance(found, Tail), (length, found)
        assert (found.at, found.length) == (place.at, length)


def test_what_can_be_read_of_it() -> None:
    """Dialect, agency and index, once they are whole."""
    record = rows(dialect=1)
    assert impossible(record[:5], PLACE, TODAY) == Tail(AT, 5)
    assert impossible(record[:6], PLACE, TODAY) == Tail(AT, 6, True)
    assert impossible(record[:11], PLACE, TODAY) == Tail(AT, 11, True)
    assert impossible(record[:12], PLACE, TODAY) == Tail(AT, 12, True, 3)
    assert impossible(record[:20], PLACE, TODAY) == Tail(AT, 20, True, 3, 40)


FIRST = len(BODY.partition(b"\n")[0]) + 1


@pytest.mark.parametrize(
    ("tail", "why"),
    [
        (bytes(4), "they do not begin with the magic"),
        (b"LCS2", "they do not begin with the magic"),
        (b"\nLC", "they do not begin with the magic"),
        (b"LCS1\0", "their kind is none that may stand here"),
        (b"LCS1\3", "their kind is none that may stand here"),
        (b"LCS1\5", "their kind is none that may stand here"),
        (rows(dialect=2)[:6], "their dialect is none"),
        (rows(zero=1)[:8], "their dialect is none"),
        (rows(zero=256)[:7], "their dialect is none"),
        (record_bytes(CLOSE, flushed=300)[:39], "they are not this CLOSE"),
        (record_bytes(CLOSE, 1, flushed=AT)[:12], "they are not this CLOSE"),
        (record_bytes(END, 3, 40, 1, NONCE, 300)[:24], "an END has no bets"),
        (record_bytes(END, 3, 40, 0, NONCE[1:], 300)[:28], "no END has a body of that length"),
        (record_bytes(END, 3, 40, 0, NONCE, dialect=1)[:28], "no END has a body of that length"),
        (rows(flushed=301)[:36], "no flush ended where they say"),
        (rows(flushed=AT + 1)[:36], "no flush ended where they say"),
        (rows(flushed=2**60)[:29], "no flush ended where they say"),
        (rows(bets=2**16)[:22], "no record has so many bets"),
        (rows(length=131_072)[:28], "no record has a body of that length"),
        (rows(length=2**17)[:26], "no record has a body of that length"),
        (rows(bets=0)[:28], "0 bets are not 52 bytes long"),
        (rows(bets=3)[:28], "3 bets are not 52 bytes long"),
        (rows(length=53), "the 2 bets are all there, but 1 more bytes should follow"),
        (rows(length=9000), "the 2 bets are all there, but 8948 more bytes should follow"),
        (rows(bets=1)[:-1], "the 1 bets are all there, but 1 more bytes should follow"),
        (
            rows(bets=2, length=FIRST + 20)[: 40 + FIRST],
            "the bets to come do not fit into the bytes to come",
        ),
        (
            rows(body=BODY.replace(b"17", b"47", 1))[: 40 + FIRST],
            "in row 1 its birthdate is no day of the calendar",
        ),
        (
            rows(body=b"4" + BODY[1:])[: 40 + FIRST],
            "in row 1 it does not begin with agency 3",
        ),
        (rows(body=b"4" + BODY[1:])[:41], "their last row does not begin with agency 3"),
        (rows()[: 40 + 29] + bytes(10), "their last row is none"),
        (rows(body=b"3,a,b,c,d,e,f,g" + bytes(40))[:54], "their last row is none"),
        (rows(body=b"3,Zo\xffe" + BODY)[:50], "their last row is no UTF-8"),
    ],
)
def test_no_beginning(tail, why) -> None:
    """Whatever its first bytes tell of a record has to hold."""
    assert impossible(tail, PLACE, TODAY) == why


def test_a_head_of_another() -> None:
    """The first record is the HEAD of this draw and segment, and no other record."""
    place = Place(0, 7, 2, 0)
    for head in (record_bytes(HEAD, 0, 7, 3), record_bytes(HEAD, 0, 8, 2)):
        assert impossible(head[:24], place, TODAY) == "they are not this HEAD"
    assert impossible(rows()[:5], place, TODAY) == "their kind is none that may stand here"
