"""Two sessions of one agency at once: the newer one holds, and the ledger is exact."""

from __future__ import annotations

import os
import random
import signal
import threading
from pathlib import Path
from typing import Final

import pytest
from counts import count, dice
from day import Day, rows_of_agency
from live import LiveAgency
from lottery1_agency import (
    ERROR,
    WELCOME,
    Lottery1Agency,
    batch,
    end,
    error_in,
    frames_in,
    hello,
    received,
)
from oracle import History
from programs import AgencyProcess

pytest_plugins = ["postgres_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.faults]

BETS: Final = 600


def merged(first: History, second: History) -> History:
    """What two clients of one agency did and heard, as one history."""
    assert first.rows == second.rows
    last = second if second.received else first
    return History(
        first.agency,
        first.rows,
        sent=max(first.sent, second.sent),
        acknowledged=max(first.acknowledged, second.acknowledged),
        ended=first.ended or second.ended,
        winners=last.winners,
        number=last.number,
        received=last.received,
        faults=first.faults + second.faults,
    )


@pytest.mark.parametrize("trial", range(count("twins")))
def test_two_clients_with_one_number(tmp_path: Path, trial: int, ledger_url: str | None) -> None:
    """One is fenced and does not come back; the other one goes on from what both have stored."""
    rng = random.Random(f"{dice('twins').random()} {trial}")
    options = {"statuses": (), "sent_away": ("TAKEN",), "ledger": ledger_url}
    with Day(tmp_path, 2, "--writers", 2, **options) as day:
        rows, moment = rows_of_agency(1, BETS, rng), rng.randrange(BETS)
        older = day.recorder(1, rows, rng, alone=False, sizes=(3,), windows=(1, 4))
        assert day.reached(lambda: older.history.acknowledged >= moment)
        newer = day.recorder(1, rows, rng, alone=False)
        assert day.reached(lambda: bool(newer.welcomed))
        other = day.recorder(2, rows_of_agency(2, BETS, rng), rng)
        day.await_over()
        for recorder in day.recorders:
            recorder.finish()
        assert (older.history.refused, newer.history.refused) == ("TAKEN", "")
        assert newer.history.received
        assert newer.welcomed[0] >= moment
        day.recorders = [other]
        day.others.append(merged(older.history, newer.history))
        day.check()


def test_two_programs_with_one_number(tmp_path: Path, ledger_url: str | None) -> None:
    """``lottery agency`` that is fenced ends with status 1 and says why; the newer one with 0."""
    rng = dice("two programs")
    with Day(tmp_path, 2, "--writers", 2, statuses=(), ledger=ledger_url) as day:
        both = threading.Event()
        day.recorder(2, rows_of_agency(2, 40, rng), rng, before_end=lambda: assert_set(both))
        rows = rows_of_agency(1, BETS, rng)
        older = AgencyProcess(day, 1, rows, rng)
        older.runs[0].wait_for(r"action: connect \| result: success")
        newer = day.enter(
            LiveAgency(
                tmp_path,
                day.port,
                1,
                tmp_path / "agency-1.csv",
                *("--batch-size", 13, "--output", tmp_path / "newer.csv"),
            )
        )
        newer.wait_for(r"action: connect \| result: success")
        assert older.runs[0].wait() == 1
        older.runs[0].wait_for(r"action: session \| result: fail .*code: TAKEN")
        both.set()
        assert newer.wait() == 0, newer.log
        day.await_over()
        day.recorders[0].finish()
        older.history.ended = True
        older.history.acknowledged = BETS
        older.history.winners = (tmp_path / "newer.csv").read_text().splitlines()
        day.check()


def assert_set(event: threading.Event) -> None:
    """Wait for an event of a test."""
    assert event.wait(60)


@pytest.mark.parametrize("how", ["goes on", "is killed", "is given up"])
def test_a_newer_session_while_the_writer_stands_still(
    tmp_path: Path, how: str, ledger_url: str | None
) -> None:
    """It is welcomed only when it is known what became of the older one's batches."""
    rng = dice("stopped writer")
    timeout = 2 if how == "is given up" else 30
    options = ("--writers", 1, "--writer-timeout", timeout)
    with Day(tmp_path, 1, *options, statuses=(), level="DEBUG", ledger=ledger_url) as day:
        rows = rows_of_agency(1, 60, rng)
        day.central.port  # noqa: B018 - asking waits until it listens
        history = History(1, rows, sent=60)
        day.others.append(history)
        with Lottery1Agency(day.port) as older, Lottery1Agency(day.port) as newer:
            older.greet(1)
            older.send(batch(0, rows[:10]))
            older.acknowledged(10)
            (writer,) = day.central.children
            os.kill(writer, signal.SIGSTOP)
            older.send(batch(10, rows[10:20]) + batch(20, rows[20:30]))
            day.central.settle()
            newer.send(hello(1, draw=1, acknowledged=10))
            day.reached_log(r"agency: 1 .* code: TAKEN")
            if how == "goes on":
                os.kill(writer, signal.SIGCONT)
            elif how == "is killed":
                os.kill(writer, signal.SIGKILL)
            # What it was still owed, and then that it is fenced.
            *acks, (kind, payload) = frames_in(older.rest())
            assert (kind, error_in(payload)[0]) == (ERROR, "TAKEN")
            # A database has fenced the older one itself, which a writer that goes on is told.
            known = how == "goes on" and ledger_url is None
            assert bool(acks) == known
            kind, payload = newer.message()
            assert kind == WELCOME, (kind, payload)
            index = int.from_bytes(payload[6:14], "big")
            assert index in ((30,) if known else (10, 20, 30))
            newer.send(batch(index, rows[index:]) + end(60))
            newer.acknowledged(60, ended=True)
            told = newer.winners()
            newer.send(received(1, told.total))
            assert newer.rest() == b""
            history.acknowledged, history.ended = 60, True
            history.winners, history.number = told.rows, told.winning_number
        day.await_over()
        day.check()
