"""``lottery.central.admission``: who may come in, and only as themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from lottery.central.admission import Admission
from lottery.central.roster import Agency, Roster
from lottery.errors import Code, RemoteProtocolError

ONE, TWO = Agency(1, "One"), Agency(2, "Two")
ROSTER: Final = Roster({1: ONE, 2: TWO}, {"dns:one": ONE, "dns:two": TWO})


def refused(act: Callable[[], object]) -> str:
    """Why somebody may not come in."""
    with pytest.raises(RemoteProtocolError) as error:
        act()
    assert error.value.code is Code.AUTH
    return error.value.sentence


def test_without_a_roster() -> None:
    """Everybody may come, as whoever they say, in any dialect; no certificate is looked at."""
    admission = Admission()
    assert admission.numbers is None
    assert not admission.knows(1)
    assert admission.whose({"dns:one"}) is None
    for number, certified in ((0, None), (1, ONE), (2, ONE), (2**32 - 1, None)):
        admission.check_hello(number, certified)
    admission.check_classic()
    assert [admission.places(agencies) for agencies in (1, 5)] == [1, 5]


def test_with_a_roster() -> None:
    """Those who are on it, as whom their certificate says."""
    admission = Admission(ROSTER)
    assert admission.numbers == {1, 2}
    assert [admission.knows(number) for number in (0, 1, 2, 3)] == [False, True, True, False]
    assert admission.whose({"dns:two", "dns:other"}) is TWO
    assert refused(lambda: admission.whose({"dns:other"})) == "its certificate is that of no agency"
    admission.check_hello(1, ONE)


def test_another_number_than_the_certificate_says() -> None:
    """Both are named; that both are on the roster does not help."""
    sentence = "it says agency 2, its certificate is that of agency 1"
    assert refused(lambda: Admission(ROSTER).check_hello(2, ONE)) == sentence
    sentence = "it says agency 3, its certificate is that of agency 1"
    assert refused(lambda: Admission(ROSTER).check_hello(3, ONE)) == sentence


@pytest.mark.parametrize("allow_classic", [False, True])
def test_in_plain_text(allow_classic: bool) -> None:
    """Whoever has no certificate is nobody, also where classic agencies may come in."""
    admission = Admission(ROSTER, allow_classic=allow_classic)
    sentence = "it says agency 1, and has no certificate: agencies use TLS here"
    assert refused(lambda: admission.check_hello(1, None)) == sentence


def test_the_classic_dialect() -> None:
    """It has no identity, so with a roster somebody has to have allowed it."""
    assert refused(Admission(ROSTER).check_classic) == "the classic dialect has no identity"
    Admission(ROSTER, allow_classic=True).check_classic()


@pytest.mark.parametrize(
    ("allow_classic", "agencies", "places"),
    [(False, 1, 2), (False, 2, 2), (False, 9, 2), (True, 1, 2), (True, 2, 2), (True, 9, 9)],
)
def test_places(allow_classic: bool, agencies: int, places: int) -> None:
    """One for each of the roster; so many as are wanted only if others may come in beside it."""
    assert Admission(ROSTER, allow_classic=allow_classic).places(agencies) == places


def test_another_roster_takes_its_place() -> None:
    """From that moment on."""
    admission = Admission(ROSTER)
    three = Agency(3, "Three")
    admission.roster = Roster({3: three}, {"dns:one": three})
    assert admission.numbers == {3}
    assert admission.places(9) == 1
    assert not admission.knows(1)
    assert admission.whose({"dns:one"}) is three
    assert refused(lambda: admission.whose({"dns:two"})) == "its certificate is that of no agency"
    admission.authorities = "others"
    sentence = "another authority signs the certificates now"
    assert refused(lambda: admission.whose({"dns:one"})) == sentence
    assert admission.whose({"dns:one"}, "others") is three
    sentence = "it says agency 1, its certificate is that of agency 3"
    assert refused(lambda: admission.check_hello(1, three)) == sentence
