"""Starts up on what a crash has left, in this process, and says what is wrong with the outcome."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from carried_on import Wrong, carry_on, hold, hold_results
from disk_model import Tree
from ledger_reader import LAST, Holding, UnreadableLedger, holdings_in, record_in, step_of
from start_up_program import start_up
from told import Promise
from trees import differing, harvest, plant

from lottery.audit.data import audit
from lottery.errors import LotteryError
from lottery.ledger.directory import DrawDirectory
from lottery.ledger.recovery import UnfinishedDraw

#: The draw of the day, below the data directory.
DRAW: Final = "draws/000001"
TODAY: Final = datetime.now(UTC).date()


class Facts(NamedTuple):
    """What is known of the day.

    :ivar data_dir: the data directory, from the root of the trees on.
    :ivar sent: by agency, all rows that it ever sent, in order.
    :ivar number: the winning number of the day.
    """

    data_dir: str
    places: int
    sent: Mapping[int, Sequence[bytes]]
    number: int


class _Outcome(NamedTuple):
    """What start-up has made of a tree; ``wrong`` says what is wrong with it in itself."""

    record: dict[str, Any]
    held: dict[int, Holding]
    wrong: str


class StartUp:
    """Starts up on one tree after the other.

    The same outcome is looked at once: that another start-up does not change it, that audit
    finds nothing, and that the draw can be carried on to its end. That is done with another
    winning number than that of the day: if a number was drawn, a second drawing would show.

    :ivar outcomes: how many different ones there have been.
    """

    def __init__(self, facts: Facts, directory: Path) -> None:
        """:param directory: to work in; it is emptied again and again."""
        self._facts = facts
        self._directory = directory
        self._data_dir = directory / facts.data_dir
        self._draw = f"{facts.data_dir}/{DRAW}"
        self._other_number = (facts.number + 1) % 10_000
        self._seen: dict[tuple[tuple[str, bytes | None], ...], _Outcome] = {}

    @property
    def outcomes(self) -> int:
        """How many different trees start-up has left."""
        return len(self._seen)

    def try_on(self, tree: Tree, promise: Promise) -> str:
        """Start up on a tree; gives what is wrong with the outcome, nothing if all is well.

        :param promise: what had been told before the crash.
        """
        plant(tree, self._directory)
        with no_flushes():
            return _wrong(lambda: self._try_on(tree, promise))

    def _try_on(self, before: Tree, promise: Promise) -> None:
        draws = self._start()
        after = harvest(self._directory)
        key = tuple(after.items())
        outcome = self._seen.get(key)
        if outcome is None:
            outcome = self._seen[key] = self._look_at(after, draws)
        hold(not outcome.wrong, outcome.wrong)
        was = record_in(before, self._draw)
        hold(step_of(was) <= step_of(outcome.record), f"{was.get('state')} was reached before")
        hold(not promise.bets or bool(outcome.record), "nothing is there of the draw")
        _hold_promise(outcome, promise)

    def _start(self) -> list[UnfinishedDraw]:
        return start_up(self._data_dir, self._facts.places)

    def _look_at(self, tree: Tree, draws: Sequence[UnfinishedDraw]) -> _Outcome:
        held: dict[int, Holding] = {}
        record = record_in(tree, self._draw)

        def look() -> None:
            held.update(holdings_in(tree, self._draw))
            left = [path for path in tree if path.endswith(".tmp")]
            hold(not left, f"start-up has left {left}")
            self._hold_sent(held)
            number = record.get("winning_number")
            hold(number in (None, self._facts.number), f"the winning number has become {number}")
            again = self._start()
            second = harvest(self._directory)
            hold(tree == second, f"the second start-up has changed {differing(tree, second)}")
            for one, two in zip(draws, again, strict=True):
                same = (one.record, one.standings) == (two.record, two.standings)
                hold(same, f"the second start-up reads {two}, the first {one}")
            self._audit()
            if step_of(record) == LAST:
                directory = DrawDirectory(1, self._directory / self._draw)
                hold_results(directory, directory.read(), held)
            for draw in again:
                path = draw.directory.path.relative_to(self._directory)
                carry_on(draw, holdings_in(tree, str(path)), self._other_number)
            self._audit()

        return _Outcome(record, held, _wrong(look))

    def _hold_sent(self, held: Mapping[int, Holding]) -> None:
        for agency, holding in held.items():
            sent = tuple(self._facts.sent.get(agency, ()))
            hold(holding.rows == sent[: len(holding.rows)], f"{agency} has not sent {holding}")
            hold(not holding.ended or holding.rows == sent, f"{agency} has ended too early")

    def _audit(self) -> None:
        found = audit(self._data_dir, TODAY, pause=lambda seconds: None)
        differences = [*found.differences, *(draw.difference for draw in found.draws)]
        hold(found.is_clean, f"audit finds {[str(each) for each in differences if each]}")


def _hold_promise(outcome: _Outcome, promise: Promise) -> None:
    """Hold against an outcome what had been told."""
    for agency, bets in promise.bets.items():
        holding = outcome.held.get(agency, Holding())
        found = len(holding.rows)
        hold(found >= bets, f"agency {agency} was told of {bets} bets, {found} are there")
        told = agency in promise.ended
        hold(holding.ended or not told, f"the END of agency {agency} is lost")
    record = outcome.record
    if promise.drawn:
        number = record.get("winning_number")
        hold(number is not None, "the number was told, and is not there")
    if step_of(record) > step_of({"state": "open"}):
        parts = {part["agency"]: part["outcome"] for part in record["agencies"]}
        for agency in promise.ended:
            had = parts.get(agency, "not there")
            hold(had == "succeeded", f"agency {agency} has ended, and is {had}")


@contextmanager
def no_flushes() -> Iterator[None]:
    """Make flushes cost nothing: it is the model of the disk that knows what they are for."""

    def nothing(fd: int) -> None:
        pass

    with patch.object(os, "fsync", nothing), patch.object(os, "fdatasync", nothing):
        yield


def _wrong(work: Callable[[], None]) -> str:
    """Do something, and say what was wrong; nothing if all was well."""
    try:
        work()
    except (Wrong, UnreadableLedger) as fault:
        return str(fault)
    except (LotteryError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - whatever it is, it is what this test looks for
        return traceback.format_exc()
    return ""
