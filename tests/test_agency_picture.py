"""What an errand looks like, phase by phase, in two widths."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from agency_rig import settings_of
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType
from twisted.internet.task import Clock

from lottery.agency.bets_file import Total
from lottery.agency.picture import Picture
from lottery.agency.progress import Phase, Progress
from lottery.agency.result import Result

BAR = "━"


class Counters:
    """What an upload and the rows that are left out count."""

    def __init__(self) -> None:
        self.acknowledged = self.sent = self.count = 0
        self.total: Total | None = None


class Rig:
    """An errand that is as far as the test says."""

    def __init__(self, **changes: object) -> None:
        self.clock = Clock()
        self.settings = settings_of(Path("/day"), **changes)
        self.result = Result(7, self.settings.output, draw=3, sessions=1)
        self.counters = Counters()
        self.progress = Progress(self.result, self.counters, self.clock.seconds)  # type: ignore[arg-type]
        self.progress.upload = self.counters  # type: ignore[assignment]
        self.picture = Picture(self.settings, self.progress)

    def at(self, acknowledged: int, sent: int, total: int, *, exact: bool = False) -> None:
        """Count so many bets."""
        self.counters.acknowledged, self.counters.sent = acknowledged, sent
        self.counters.total = Total(total, exact)

    def now(self, width: int, **console: object) -> list[str]:
        """The lines of the moment."""
        return lines_of(self.picture.now(self.clock.seconds(), width), width, **console)

    def end(self, width: int) -> list[str]:
        """The lines of the end."""
        parts = [self.picture.end(width), *self.picture.winners(width)]
        return [line for part in parts for line in lines_of(part, width)]


def lines_of(part: RenderableType, width: int, **console: object) -> list[str]:
    """What is drawn, without colours; every line leaves a column free."""
    shown = Console(file=io.StringIO(), width=width, **console)  # type: ignore[arg-type]
    with shown.capture() as capture:
        shown.print(part)
    lines = [line.rstrip() for line in capture.get().rstrip("\n").split("\n")]
    assert all(cell_len(line) < width for line in lines)
    return lines


@pytest.fixture
def rig() -> Rig:
    """An errand at its start."""
    return Rig()


class TestSending:
    """While bets are sent."""

    def sends(self, rig: Rig) -> None:
        """10,000 bets in a second."""
        rig.progress.enter(Phase.SENDING)
        rig.at(20_000, 21_600, 200_137)
        rig.now(80)
        rig.clock.advance(1)
        rig.at(30_000, 31_600, 200_137)

    def test_wide(self, rig: Rig) -> None:
        """Everything at once."""
        self.sends(rig)
        head, bar, *figures = rig.now(80)
        assert head == "agency 7: sending bets.csv to draw 3 at central:12345"
        # Without colours, nothing is to be seen of what is missing.
        assert bar == BAR * 8 + " " * 54 + "14 %"
        assert figures == [
            "30,000 of about 200,000 bets acknowledged | 31,600 sent",
            "10,000 bets/s | 18 s left",
        ]

    def test_narrow(self, rig: Rig) -> None:
        """Shorter words, and what is left out is not the most important."""
        self.sends(rig)
        rig.result.sessions = 3
        rig.counters.count = 12
        head, bar, *figures = rig.now(40)
        assert head == "agency 7: sending to draw 3"
        assert bar.startswith(BAR * 4)
        assert bar.endswith(" 14 %")
        assert figures == [
            "30,000 of ~200,000 bets | 31,600 sent",
            "10,000/s | 18 s left | 2 reconn.",
        ]

    def test_coming_back(self, rig: Rig) -> None:
        """Reconnections and rows that are left out are told if there are any."""
        self.sends(rig)
        rig.result.sessions = 2
        rig.counters.count = 1234
        *_, counts, pace = rig.now(80)
        assert counts.endswith(" | 31,600 sent | 1,234 left out")
        assert pace == "10,000 bets/s | 18 s left | 1 reconnection"

    def test_too_early(self, rig: Rig) -> None:
        """A pace that is not known is none, nor is it one of before a pause."""
        rig.progress.enter(Phase.SENDING)
        assert rig.now(80)[-1] == "- bets/s"
        rig.clock.advance(3)
        rig.progress.enter(Phase.CONNECTING)
        rig.now(80)
        rig.progress.enter(Phase.SENDING)
        rig.at(1000, 1000, 2000)
        assert rig.now(80)[-1] == "- bets/s"

    def test_standing_still(self, rig: Rig) -> None:
        """Nobody knows how long nothing takes."""
        rig.progress.enter(Phase.SENDING)
        rig.at(1000, 1000, 2000)
        rig.now(80)
        rig.clock.advance(1)
        assert rig.now(80)[-1] == "0 bets/s"

    def test_pipe(self, rig: Rig) -> None:
        """Without a total there are counts, and a bar that only moves."""
        self.sends(rig)
        rig.counters.total = None
        _, bar, *figures = rig.now(80, force_terminal=True, no_color=True, color_system="standard")
        assert BAR in bar
        assert "%" not in bar
        assert figures == ["30,000 bets acknowledged | 31,600 sent", "10,000 bets/s"]

    def test_bar_moves(self, rig: Rig) -> None:
        """It moves with the clock that is handed in."""
        rig.progress.enter(Phase.WAITING)
        terminal = {"force_terminal": True, "no_color": True, "color_system": "standard"}
        before = rig.now(40, **terminal)[1]
        assert rig.now(40, **terminal)[1] == before
        rig.clock.advance(0.2)
        assert rig.now(40, **terminal)[1] != before

    @pytest.mark.parametrize(
        ("acknowledged", "total", "exact", "percent"),
        [
            (0, 100, False, "0 %"),
            (29, 100, False, "29 %"),
            (1999, 2000, True, "99 %"),
            (2000, 2000, False, "99 %"),
            (2000, 2000, True, "100 %"),
            (0, 0, True, "100 %"),
            (3000, 2000, False, "99 %"),
        ],
    )
    def test_percent(
        self, rig: Rig, acknowledged: int, total: int, exact: bool, percent: str
    ) -> None:
        """Only who has all of it, and knows that it is all, has 100 %."""
        rig.progress.enter(Phase.SENDING)
        rig.at(acknowledged, acknowledged, total, exact=exact)
        assert rig.now(80)[1].endswith(f" {percent}")

    def test_all_known(self, rig: Rig) -> None:
        """A total that was counted is not told as a guess."""
        rig.progress.enter(Phase.SENDING)
        rig.at(1, 2, 1_299_999, exact=True)
        assert rig.now(80)[2] == "1 of 1,299,999 bets acknowledged | 2 sent"


class TestOtherPhases:
    """Before, between and after."""

    @pytest.mark.parametrize(
        ("phase", "wide", "narrow"),
        [
            (Phase.READING, "reading bets.csv", "reading bets.csv"),
            (
                Phase.CONNECTING,
                "connecting to the central at central:12345",
                "connecting central:12345",
            ),
            (Phase.COMPARING, "comparing bets.csv with draw 3", "comparing bets.csv"),
            (Phase.WAITING, "waiting for draw 3 at central:12345", "waiting for draw 3"),
        ],
    )
    def test_waiting(self, rig: Rig, phase: Phase, wide: str, narrow: str) -> None:
        """What is waited for, and since when."""
        rig.progress.enter(phase)
        rig.progress.since = 0
        rig.clock.advance(65)
        assert rig.now(80)[0] == f"agency 7: {wide}"
        assert rig.now(38)[0] == f"agency 7: {narrow}"
        assert rig.now(80)[-1] == "for 1 min 05 s"

    def test_away(self, rig: Rig) -> None:
        """That it tries again, in how long, and why."""
        rig.progress.attempts = 2
        rig.progress.hold_up(Phase.AWAY, "refused,\x1b[2J [red]nobody listens[/red]" * 3, 2.5)
        head, _, _, again, reason = rig.now(80)
        assert head == "agency 7: no central at central:12345"
        assert again == "tries again in 3 s | 2 attempts in vain"
        assert reason.startswith("refused,\\x1b[2J [red]nobody listens[/red]refused")
        assert reason.endswith("…")
        rig.clock.advance(9)
        assert rig.now(40)[3] == "tries again in 0 s | 2 attempts in vain"
        assert rig.now(39)[3] == "again in 0 s | 2 attempts"

    def test_held_up(self, rig: Rig) -> None:
        """A central that wants it again, later."""
        rig.progress.hold_up(Phase.HELD, "no room", 1)
        head, *_, again, reason = rig.now(80)
        assert head == "agency 7: held up by the central at central:12345"
        assert (again, reason) == ("tries again in 1 s", "no room")


class TestEnd:
    """What came of it."""

    def succeeds(self, rig: Rig, winners: int) -> None:
        """200,000 bets in 12 s, with so many winners."""
        rig.progress.enter(Phase.SENDING)
        rig.clock.advance(12)
        rig.at(200_000, 200_000, 200_000, exact=True)
        rig.progress.enter(Phase.WAITING)
        rig.result.result, rig.result.winning_number = "success", 42
        rig.result.winners = winners
        rig.progress.take_winners(b"Ana,Gil,1,2000-01-01,42\n" * winners)

    def test_winners(self, rig: Rig) -> None:
        """The first ones, and where the others are."""
        self.succeeds(rig, 1000)
        head, counts, took, *table, more = rig.end(80)
        assert head == "agency 7: 1,000 winners | draw 3, number 42"
        assert (counts, took) == ("200,000 bets acknowledged", "sent in 12 s")
        assert len([line for line in table if "Ana Gil" in line]) == 20
        assert more == "and 980 more in /day/winners.csv"

    @pytest.mark.parametrize("winners", [0, 1, 20])
    def test_few_winners(self, rig: Rig, winners: int) -> None:
        """All of them, or that there are none."""
        self.succeeds(rig, winners)
        head, _, _, *table, where = rig.end(40)
        assert head.startswith(f"agency 7: {winners} winner{'s' * (winners != 1)} | ")
        assert len([line for line in table if "Ana Gil" in line]) == winners
        assert where == "written to /day/winners.csv"

    def test_short(self, rig: Rig) -> None:
        """A short time is told in tenths."""
        rig.progress.enter(Phase.SENDING)
        rig.clock.advance(0.84)
        rig.progress.enter(Phase.WAITING)
        rig.result.sessions = 3
        assert rig.end(80)[-1] == "sent in 0.8 s | 2 reconnections"

    @pytest.mark.parametrize(
        ("result", "words"),
        [
            ("fail", "failed | the reason is above"),
            ("stopped", "stopped | the same command goes on from here"),
        ],
    )
    def test_no_success(self, rig: Rig, result: str, words: str) -> None:
        """How far it got; no results are told of, for there are none."""
        rig.result.result = result
        rig.progress.enter(Phase.SENDING)
        rig.at(5, 9, 10)
        rig.progress.take_winners(b"Ana,Gil,1,2000-01-01,42\n")
        assert rig.end(80) == [
            f"agency 7: {words}",
            "5 of about 10 bets acknowledged | 9 sent",
        ]


@given(
    width=st.integers(2, 200),
    phase=st.sampled_from(Phase),
    acknowledged=st.integers(0, 2**63),
    total=st.none() | st.tuples(st.integers(0, 2**63), st.booleans()),
    sessions=st.integers(0, 10**9),
    trouble=st.text(st.characters(codec=None)),
    host=st.text(st.characters(codec="utf-8")),
)
def test_any_width(width, phase, acknowledged, total, sessions, trouble, host) -> None:
    """Whatever the figures and the width, every line fits and has only what can be shown."""
    rig = Rig(host=host)
    rig.counters.total = Total(*total) if total else None
    rig.result.sessions = sessions
    rig.progress.hold_up(phase, trouble, 5)
    rig.counters.acknowledged = rig.counters.sent = acknowledged // 2
    rig.now(width)
    rig.clock.advance(1)
    rig.counters.acknowledged = rig.counters.sent = acknowledged
    lines = rig.now(width)
    assert 4 <= len(lines) <= 5
    assert all(line.isprintable() for line in lines)
