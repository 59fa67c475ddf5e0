"""``benchmarks``: what they send is what is said, what they print is what was measured."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import performance
import plots
import pytest
from load import Played
from rows import Figure
from streams import CLASSIC, LOTTERY1, stream_of

from lottery.bets import classic_rows, line_rows
from lottery.wire import classic, lottery1
from lottery.wire.decoder import Decoder
from lottery.wire.messages import Batch, ClassicBatch, ClassicEnd, End

TODAY = date(2026, 3, 17)


@pytest.mark.parametrize("dialect", [CLASSIC, LOTTERY1])
@pytest.mark.parametrize(("bets", "batch"), [(1, 1), (25, 10), (30, 10), (2001, 200)])
def test_streams(dialect: str, bets: int, batch: int) -> None:
    """Frames that the central takes, in batches that are as large as is said or fits."""
    stream = stream_of(dialect, bets, batch)
    decoder = Decoder(lottery1.TO_CENTRAL, classic.TO_CENTRAL)
    decoder.receive(stream.frames)
    taken = winners = 0
    for end, total in zip(stream.ends, stream.bets, strict=False):
        match decoder.next_message():
            case Batch(first, count, payload):
                assert first == taken
                rows = line_rows(payload, count, TODAY)
            case ClassicBatch(payload):
                rows = classic_rows(payload, TODAY)
            case other:
                pytest.fail(f"{other} is no batch")
        assert len(rows) <= batch
        taken += len(rows)
        winners += sum(row.endswith(b",7574") for row in rows)
        assert taken == total
        assert decoder.unread == len(stream.frames) - end
    assert (taken, winners, len(stream.bets)) == (bets, stream.winners, stream.batches)
    last = decoder.next_message()
    assert last == (ClassicEnd() if dialect == CLASSIC else End(bets, bytes(32)))
    assert (decoder.unread, stream.ends[-1]) == (0, len(stream.frames))


def test_played() -> None:
    """Rates, latencies and moments are those of the marks."""
    marks = [(1.0, 10), (2.0, 30), (4.0, 40)]
    played = Played(40, 4.0, 0.5, 9.0, 3.0, [0.4, 0.1, 0.2, 0.3], marks)
    assert played.bets_per_second == 10
    assert [played.latency(share) for share in (0.0, 0.5, 0.99)] == [0.1, 0.3, 0.4]
    assert [played.bets_at(moment) for moment in (0.5, 1.0, 3.9, 9.0)] == [0, 10, 30, 40]
    assert [played.moment_of(bets) for bets in (0, 10, 11, 40)] == [0.0, 1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("value", "at_least", "holds"),
    [(2.0, True, True), (1.9, True, False), (2.0, False, True), (2.1, False, False)],
)
def test_figures(value: float, at_least: bool, holds: bool) -> None:
    """What misses its limit is named; the limit itself keeps it."""
    figure = Figure(7, "what", value, 2.0, "x", at_least)
    assert figure.holds is holds
    assert ("**missed**" in performance.line(figure)) is not holds


@pytest.mark.parametrize(("highest", "step"), [(1, 0.2), (4.9, 1), (5.1, 2), (140, 50), (20, 5)])
def test_steps_of_a_plot(highest: float, step: float) -> None:
    """Round numbers, about five of them."""
    assert plots.step_of(highest) == pytest.approx(step)


def test_a_plot_is_an_svg() -> None:
    """It has a line and a name for each."""
    drawn = plots.svg("a < b", "x", "y", {"one": [(1, 1), (2, 4)], "two": [(1, 2), (2, 3)]})
    root = ElementTree.fromstring(drawn)
    name = "{http://www.w3.org/2000/svg}"
    assert root.find(f"{name}title").text == "a < b"  # type: ignore[union-attr]
    assert len(list(root.iter(f"{name}polyline"))) == 2
    texts = [each.text for each in root.iter(f"{name}text")]
    assert {"one", "two", "x", "y", "a < b"} <= set(texts)


def test_the_page_is_written_between_its_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands around stays; doing it twice is doing it once."""
    monkeypatch.setattr(performance, "DOCS", tmp_path)
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{performance.BEGIN}old\n{performance.END}behind\n")
    for _ in range(2):
        performance.write_docs("table\n", {"a.svg": "<svg/>"})
    assert page.read_text() == (
        f"before\n{performance.BEGIN}table\n\n![a](a.svg)\n{performance.END}behind\n"
    )
    assert (tmp_path / "a.svg").read_text() == "<svg/>"
