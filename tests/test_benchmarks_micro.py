"""The micro-benchmarks: how they measure, and that each case does what it says; no timing."""

from __future__ import annotations

import json
from pathlib import Path

import micro
import pytest
from loops import EMPTY, Figures, Refused, Work, loops_for, measure, seconds_of

from lottery.ledger.segment import Kind, Records


class FakeClock:
    """A clock that each look at it moves on, and each call of a work."""

    def __init__(self, look: float = 0.0) -> None:
        self.now = 0.0
        self.look = look

    def __call__(self) -> float:
        """What the time is."""
        self.now += self.look
        return self.now

    def work(self, *seconds: float, amount: int = 1, unit: str = "ns per bet") -> Work:
        """What takes so long, each time that it is called; then always the last."""
        left = list(seconds)

        def call() -> str:
            self.now += left.pop(0) if len(left) > 1 else left[0]
            return "done"

        return Work(call, "done", amount, unit)


def test_a_loop_calls_the_work_so_many_times() -> None:
    clock = FakeClock()
    assert seconds_of(clock.work(1.0), 3, clock) == 3.0


def test_to_look_at_the_clock_is_part_of_the_time() -> None:
    clock = FakeClock(look=0.5)
    assert seconds_of(clock.work(1.0), 3, clock) == 3.5
    assert seconds_of(EMPTY, 3, clock) == 0.5


def test_what_is_made_afresh_is_outside_the_clock() -> None:
    clock, calls = FakeClock(), []

    def afresh() -> None:
        clock.now += 100.0
        calls.append("afresh")

    work = clock.work(1.0)._replace(afresh=afresh)
    assert seconds_of(work, 3, clock) == 3.0
    assert calls == ["afresh"]


@pytest.mark.parametrize(
    ("seconds", "loops"), [(1.0, 1), (0.02, 1), (0.0199, 2), (0.005, 4), (0.001, 32)]
)
def test_loops_are_the_first_power_of_two_that_takes_20_ms(seconds: float, loops: int) -> None:
    clock = FakeClock()
    assert loops_for(clock.work(seconds), clock) == loops


def test_a_figure_is_the_least_and_the_median_of_the_repeats_in_its_unit() -> None:
    clock = FakeClock()
    # The first call is not timed, the second finds that a loop has one.
    work = clock.work(9.0, 9.0, 4.0, 2.0, 3.0, amount=1000)
    assert measure("it", work, 3, clock) == Figures("it", "ns per bet", 2e6, 3e6)
    work = clock.work(0.25, unit="ms per flush")
    assert measure("it", work, 3, clock) == Figures("it", "ms per flush", 250.0, 250.0)


def test_the_loop_is_not_taken_off() -> None:
    clock = FakeClock(look=0.125)
    assert measure("it", clock.work(1.0), 1, clock).least == 1.125e9


def test_five_times_an_empty_loop_is_enough() -> None:
    clock = FakeClock(look=1.0)
    assert measure("it", clock.work(4.0), 3, clock).least == 5e9


def test_what_takes_less_than_five_empty_loops_is_refused() -> None:
    clock = FakeClock(look=1.0)
    with pytest.raises(Refused) as caught:
        measure("it", clock.work(3.5), 3, clock)
    assert str(caught.value) == (
        "it takes 4.5 times as long as an empty loop, 5 are needed for a figure"
    )


def test_what_does_something_else_is_refused() -> None:
    clock = FakeClock()
    with pytest.raises(Refused) as caught:
        measure("it", clock.work(1.0)._replace(expected="else"), 3, clock)
    assert str(caught.value) == "it does not give what it should"


def test_names_choose_the_cases_that_begin_so() -> None:
    assert micro.chosen([]) == list(micro.CASES)
    assert micro.chosen(["winners", "ledger"]) == ["ledger-index", "ledger-rows", "winners"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["winners", "losers"], "no case begins with losers, there are check-common-classic, "),
        (["--repeats", "0"], "each case has to be repeated once at least"),
    ],
)
def test_what_cannot_be_measured_is_a_fault_of_usage(
    words: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["micro.py", *words])
    with pytest.raises(SystemExit) as caught:
        micro.main()
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


def test_one_that_is_refused_does_not_keep_the_others_from_their_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = FakeClock(look=1.0)
    cases = {"quick": lambda _: clock.work(1.0), "slow": lambda _: clock.work(9.0)}
    monkeypatch.setattr(micro, "CASES", cases)
    monkeypatch.setattr(micro, "perf_counter", clock)
    monkeypatch.setattr("sys.argv", ["micro.py", "--json"])
    with pytest.raises(SystemExit) as caught:
        micro.main()
    assert caught.value.code == (
        "quick takes 2.0 times as long as an empty loop, 5 are needed for a figure"
    )
    figures = {"name": "slow", "unit": "ns per bet", "least": 1e10, "median": 1e10}
    assert json.loads(capsys.readouterr().out) == [figures]


@pytest.mark.parametrize("name", micro.CASES)
def test_a_case_does_what_it_says(name: str, tmp_path: Path) -> None:
    work = micro.CASES[name](tmp_path)
    assert work.call() == work.expected
    work.afresh()
    assert work.call() == work.expected  # it can be called again and again


@pytest.mark.parametrize(
    ("name", "expected", "bets"),
    [
        ("decoder-runs-lottery1-10", 2000, 20_000),
        ("decoder-messages-classic-140", 143, 20_000),
        ("winners", 200, 200_000),
        ("ledger-index", 200_000, 200_000),
    ],
)
def test_cases_are_as_large_as_they_say(
    name: str, expected: int, bets: int, tmp_path: Path
) -> None:
    work = micro.CASES[name](tmp_path)
    found = work.call()
    assert (len(found) if isinstance(found, list) else found) == expected
    assert work.amount == bets


def test_a_run_has_64_kib_and_at_most_a_frame_more() -> None:
    for dialect in ("classic", "lottery/1"):
        *whole, _ = micro.runs(dialect, 10)
        assert all(65536 <= len(run) < 65536 + 8192 for run in whole)
        assert b"".join(micro.runs(dialect, 10)) == b"".join(micro.frames(dialect, 10))


@pytest.mark.parametrize("name", ["segment-append", "segment-flush"])
def test_a_segment_gets_the_record_of_a_run(name: str, tmp_path: Path) -> None:
    work = micro.CASES[name](tmp_path)
    (path,) = tmp_path.iterdir()
    work.call()
    head, record = Records(path.read_bytes())
    assert (head.kind, record.kind, record.bets) == (Kind.HEAD, Kind.ROWS, 11 * 140)
    work.afresh()
    assert path.stat().st_size == 0
    work.call()
    work.call()
    assert path.stat().st_size == 2 * (40 + record.length)
    assert 60_000 < record.length < 90_000
