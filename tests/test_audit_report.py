"""``lottery.audit.report``: what people read, to the letter."""

from __future__ import annotations

from audit_rig import STATES, TODAY, a_draw, write_draw

from lottery.audit.data import Audit, audit
from lottery.audit.differences import Difference
from lottery.audit.findings import AgencyReport, DrawReport
from lottery.audit.report import lines_of, shown

WHOLE = ("record", "segments", "bets.csv", "winners.csv")


def report(number: int, **changes: object) -> DrawReport:
    """A delivered draw in which all is in order, changed."""
    found = DrawReport(
        number, "delivered",
        (AgencyReport(1, False, True, "succeeded", 26936, 3, True),
         AgencyReport(4294967295, True, False, "left out, it was silent for 30 s", 340)),
        78697, 7574, 12, 4, 4012345, WHOLE, (), None,
    )  # fmt: skip
    return found._replace(**changes)  # type: ignore[arg-type]


def text(*draws: DrawReport, agencies: bool = False, differences: tuple = ()) -> str:
    """What is shown of these."""
    return "\n".join(lines_of(Audit(draws, differences), agencies)) + "\n"


def test_one_draw() -> None:
    """With its agencies."""
    assert (
        text(report(1))
        == """\
draw  state      agencies    bets  winners      bytes  checked                       result
   1  delivered       1/2  78,697       12  4,012,345  record segments bets winners  clean

draw 1, winning number 7574
    agency  dialect      bets  winners  received  outcome
         1  lottery/1  26,936        3  yes       succeeded
4294967295  classic       340        -  -         left out, it was silent for 30 s

1 draw, 78,697 bets: nothing differs
"""
    )


def test_many_draws(tmp_path) -> None:
    """One line each, and no agencies unless they are asked for; not over 100 columns."""
    for number, state in enumerate(STATES, 1):
        write_draw(tmp_path, number, a_draw(state, number=number).files(state))
    (tmp_path / "draws" / "000007").mkdir()
    lines = list(lines_of(audit(tmp_path, TODAY), agencies=False))
    assert (
        lines
        == """\
draw  state      agencies  bets  winners  bytes  checked                       result
   1  open            3/4    34        -  2,517  record segments               clean
   2  closing         3/4    34        -  2,481  record segments               clean
   3  sealed          3/4    34        -  2,520  record segments bets          clean
   4  drawn           3/4    34        3  2,534  record segments bets winners  clean
   5  delivered       3/4    34        3  2,516  record segments bets winners  clean
   6  void            0/4    34        -  2,336  record segments               clean
   7  new               -     -        -      0  -                             clean

7 draws, 204 bets: nothing differs""".splitlines()
    )
    every = list(lines_of(audit(tmp_path, TODAY), agencies=True))
    assert every[:8] == lines[:8]
    assert (
        every[9:15]
        == """\
draw 1
agency  dialect    bets  winners  received  outcome
     1  lottery/1     7        -  -         ended
     2  classic       8        -  -         ended
     3  lottery/1     9        -  -         ended
     4  lottery/1    10        -  -         at work""".splitlines()
    )
    assert every[-1] == lines[-1]


def test_many_agencies() -> None:
    """Only if they are asked for."""
    many = tuple(AgencyReport(number, False, True, "succeeded", 1) for number in range(21))
    assert "agency  dialect" not in text(report(1, agencies=many))
    assert "agency  dialect" in text(report(1, agencies=many[:20]))
    assert "agency  dialect" in text(report(1, agencies=many), agencies=True)


def test_differences() -> None:
    """Below the tables, with draw and place."""
    broken = report(
        2, agencies=(), bets=None, winners=None, winning_number=None, checked=("record",),
        difference=Difference("bets.csv", "this is not it", byte=480, line=12),
    )  # fmt: skip
    assert (
        text(report(1), broken)
        == """\
draw  state      agencies    bets  winners      bytes  checked                       result
   1  delivered       1/2  78,697       12  4,012,345  record segments bets winners  clean
   2  delivered         -       -        -  4,012,345  record                        DIFFERS

draw 2, bets.csv, line 12, byte 480: this is not it
1 of 2 draws differs
"""
    )
    assert text(broken, broken._replace(number=3)).endswith(
        "draw 3, bets.csv, line 12, byte 480: this is not it\n2 of 2 draws differ\n"
    )
    beside = (Difference("draws/x", "it belongs to nothing"),)
    assert text(report(1), differences=beside).endswith(
        "\ndraws/x: it belongs to nothing\nthe data directory differs\n"
    )
    both = text(broken, differences=beside)
    assert both.endswith("\n1 of 1 draw and the data directory differ\n")
    said = text(differences=beside)
    assert said == "\ndraws/x: it belongs to nothing\nthe data directory differs\n"


def test_unfinished_records(tmp_path) -> None:
    """Shown, and no difference."""
    rig = a_draw("open", closed=False)
    files = rig.files("open")
    name, data = rig.segments[1].name, rig.segments[1].data
    files[name] = data[:-1]
    write_draw(tmp_path, 1, files)
    at = rig.segments[1].places[-1]
    lines = list(lines_of(audit(tmp_path, TODAY), agencies=False))
    assert lines[-2:] == [
        f"draw 1, {name}, byte {at}: {len(data) - 1 - at} bytes being written or cut",
        "1 draw, 34 bets: nothing differs",
    ]
    assert lines[1].endswith("clean")


def test_no_draw() -> None:
    """That is said, too."""
    assert text() == "\nthere is no draw yet\n"


def test_nothing_moves_a_cursor() -> None:
    """Reasons and names are whatever was found."""
    agency = AgencyReport(1, False, False, "left out, \x1b[2J\n\u202e", 1)
    difference = Difference("a\r\udcff", "it belongs to nothing")
    found = text(report(1, agencies=(agency,), difference=difference))
    assert "left out, \\x1b[2J\\n\\u202e\n" in found
    assert "\ndraw 1, a\\r\\udcff: it belongs to nothing\n" in found
    assert shown("Zoë 李 —") == "Zoë 李 —"
