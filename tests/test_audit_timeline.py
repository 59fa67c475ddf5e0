"""``lottery.audit.timeline``: a picture of a file that nobody needs, and how far to trust it."""

from __future__ import annotations

from pathlib import Path

import pytest
from audit_rig import STATES, TODAY, a_draw, intake_lines, write_draw
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_audit_page import NOW, Reader, read

from lottery.audit.data import audit
from lottery.audit.intake import NAME
from lottery.audit.page import page_of

HEADING = "Timeline of the intake"


class Drawing(Reader):
    """Keeps the corners of the one shape that is no bar."""

    corners: list[tuple[float, float]]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        if tag == "polygon":
            points = (dict(attrs)["points"] or "").split()
            self.corners = [(float(x), float(y)) for x, y in (each.split(",") for each in points)]


def page_with(tmp_path: Path, content: bytes | None, state: str = "delivered") -> Drawing:
    """The page of a draw of 34 bets with such a file."""
    files = a_draw(state).files(state)
    write_draw(tmp_path, 1, files if content is None else {**files, NAME: content})
    reader = Drawing()
    found = audit(tmp_path, TODAY, in_detail=True)
    reader.feed("".join(page_of(found, "ledger", NOW)))
    reader.close()
    assert reader.open == []
    assert reader.text.count(HEADING) == 1
    return reader


def test_in_words_and_as_a_table(tmp_path: Path) -> None:
    """From when to when, how fast at most, and each line."""
    page = page_with(tmp_path, intake_lines((0, 0), (10, 4), (30, 34)))
    assert (
        "0 bets were stored by 2026-11-26 12:00:00 UTC, 34 by 2026-11-26 12:00:30 UTC, "
        "0:00:30 later. The highest rate from line to line is 1.5 bets a second, between "
        "2026-11-26 12:00:10 and 2026-11-26 12:00:30: 30 bets in 20 s."
    ) in page.text
    assert page.rows("UTC", "bets") == [
        ["2026-11-26 12:00:00", "0"],
        ["2026-11-26 12:00:10", "4"],
        ["2026-11-26 12:00:30", "34"],
    ]
    assert "All 3 lines" in page.text


def test_the_shape(tmp_path: Path) -> None:
    """From line to line; where one is long in coming, what is new came in its last 10 s."""
    page = page_with(tmp_path, intake_lines((0, 0), (10, 17), (40, 34)))
    assert page.corners == [
        (0, 100), (0, 100), (250, 50), (750, 50), (1000, 0), (1000, 100),
    ]  # fmt: skip
    page = page_with(tmp_path, intake_lines((0, 17), (4, 34)))
    assert page.corners == [(0, 100), (0, 50), (1000, 0), (1000, 100)]


@pytest.mark.parametrize("state", STATES)
def test_it_says_how_far_to_trust_it(tmp_path: Path, state: str) -> None:
    """Beside the picture, in every state."""
    page = page_with(tmp_path, intake_lines((0, 1), (10, 34)), state)
    assert "No seal covers that file" in page.text
    assert "can not be told from the true one" in page.text
    assert page.corners


def test_old_ledgers(tmp_path: Path) -> None:
    """There is none, and that is said."""
    page = page_with(tmp_path, None)
    assert "There is none: the draw has no intake.csv" in page.text
    assert "nothing differs" in page.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "intake.csv has no line yet."),
        (b"2026-11-26T12", "13 bytes at its end are no lines; a crash may leave such."),
        (intake_lines((0, 34)), "One line: 34 bets were stored by 2026-11-26 12:00:00 UTC."),
        (intake_lines((0, 1), (0, 34)), "34 by 2026-11-26 12:00:00 UTC, 0:00:00 later."),
        (intake_lines((0, 0), (90_000, 0)), "1 day, 1:00:00 later. None came in between."),
        (intake_lines((0, 0), (9000, 34)), "is 0.0038 bets a second"),
        (intake_lines((0, 0), (1, 34)), "is 34 bets a second"),
    ],
)
def test_little_of_it(tmp_path: Path, content: bytes, said: str) -> None:
    """No line, one, or two that say little."""
    page = page_with(tmp_path, content)
    assert said in page.text
    assert "nothing differs" in page.text


def test_a_bad_one(tmp_path: Path) -> None:
    """It is not drawn; what is wrong stands at the top."""
    page = page_with(tmp_path, intake_lines((0, 1), (10, 35)))
    assert "intake.csv is not as it should be" in page.text
    assert not hasattr(page, "corners")
    assert "draw 1, intake.csv, line 2: 35 bets are said to be stored, 34 are in" in page.text


def test_a_check_that_ended_before(tmp_path: Path) -> None:
    """It was not held against anything then, and that is said."""
    files = {**a_draw("open").files("open"), NAME: intake_lines((0, 1), (10, 3500))}
    files["segment-0001.log"] = b"x" + files["segment-0001.log"][1:]
    write_draw(tmp_path, 1, files)
    assert "It was not held against the bets" in read(audit(tmp_path, TODAY, in_detail=True)).text
    assert "not held against" not in page_with(tmp_path, intake_lines((0, 1), (10, 34))).text


def test_a_long_one(tmp_path: Path) -> None:
    """A part of it is shown, and said to be one; the page stays small."""
    page = page_with(tmp_path, intake_lines(*((10 * at, 34 * at // 9999) for at in range(10_000))))
    assert "200 of 10,000 lines, evenly chosen" in page.text
    rows = page.rows("UTC", "bets")
    assert len(rows) == 200
    assert (rows[0], rows[-1]) == (["2026-11-26 12:00:00", "0"], ["2026-11-27 15:46:30", "34"])
    assert len(page.corners) <= 2 * 500 + 3


def test_without_detail(tmp_path: Path) -> None:
    """Then nothing of it is known."""
    write_draw(tmp_path, 1, {**a_draw("open").files("open"), NAME: intake_lines((0, 1))})
    assert HEADING not in read(audit(tmp_path, TODAY)).text


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.binary(max_size=60)
    | st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 34)), max_size=20).map(
        lambda noted: intake_lines(*sorted((second, bets) for second, bets in noted))
    ),
    st.sampled_from(["open", "delivered"]),
)
def test_whatever_stands_there(tmp_path: Path, content: bytes, state: str) -> None:
    """The page can be read, and no corner is outside of the picture."""
    page = page_with(tmp_path, content, state)
    for x, y in getattr(page, "corners", []):
        assert 0 <= x <= 1000
        assert 0 <= y <= 100
