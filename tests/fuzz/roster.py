"""The roster: all of it, or a sentence that names the line."""

from __future__ import annotations

from fuzz.files import folder

from lottery.central.roster import read_roster
from lottery.errors import Code, RemoteProtocolError, SettingsError


def fuzz(data: bytes) -> None:
    """Take the bytes for those of a roster, and its words for the marks of certificates,
    each alone and all at once.

    :raises AssertionError: if somebody is known by what no line says, or a sentence cannot be
        printed.
    """
    path = folder() / "roster.csv"
    path.write_bytes(data)
    try:
        roster = read_roster(path)
    except SettingsError as error:
        assert str(error).isprintable()
        return
    assert roster.agencies
    for number, agency in roster.agencies.items():
        assert 0 <= number == agency.number < 2**32
        assert 1 <= len(agency.name) <= 64
        assert agency.name.isprintable()
    assert set(roster._by_mark.values()) == set(roster.agencies.values())
    words = data.decode("utf-8-sig").replace(",", "\n").split("\n")
    marks = {each.strip() for each in words[:200]}
    for certificate in [*([mark] for mark in marks), marks]:
        try:
            assert roster.whose(certificate).number in roster.agencies
        except RemoteProtocolError as error:
            assert error.code is Code.AUTH
            assert error.sentence.isprintable()
