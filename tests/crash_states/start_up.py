"""Starts up on what a crash has left, in this process, and says what is wrong with the outcome."""

from __future__ import annotations

import os
import shutil
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from disk_model import Tree
from ledger_reader import Holding, UnreadableLedger, holdings_in, record_in, step_of
from told import Promise

from lottery.errors import LotteryError
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.record import AgencyPart, DrawRecord, publish
from lottery.ledger.recovery import UnfinishedDraw, recover, unreceived
from lottery.ledger.seal import draw_number, note_delivered, seal, winners_of
from lottery.ledger.standing import Standing

#: The draw of the day, below the data directory.
DRAW: Final = "draws/000001"


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


class Wrong(Exception):
    """Something is not as it was promised."""


class StartUp:
    """Starts up on one tree after the other.

    A draw whose number was not told to anybody is carried on with another winning number than
    that of the day: if the number was told, a second drawing would show.
    """

    def __init__(self, facts: Facts, directory: Path) -> None:
        """:param directory: to work in; it is emptied again and again."""
        self._facts = facts
        self._directory = directory
        self._data_dir = directory / facts.data_dir
        self._other_number = (facts.number + 1) % 10_000

    def try_on(self, tree: Tree, promise: Promise) -> str:
        """Start up on a tree and carry the draw on; gives what is wrong, nothing if all is well.

        :param promise: what had been told before the crash.
        """
        plant(tree, self._directory)
        try:
            self._try_on(tree, promise)
        except (Wrong, UnreadableLedger) as fault:
            return str(fault)
        except (LotteryError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        except Exception:
            return traceback.format_exc()
        return ""

    def _try_on(self, tree: Tree, promise: Promise) -> None:
        with no_flushes():
            draws = self._start()
            once = harvest(self._directory)
            again = self._start()
            twice = harvest(self._directory)
            _hold(once == twice, f"the second start-up has changed {_differing(once, twice)}")
            for first, second in zip(draws, again, strict=True):
                _hold(first.record == second.record, "the second start-up reads another record")
                _hold(first.standings == second.standings, "agencies stand elsewhere at the second")
            held = self._look_at(tree, once, promise, draws)
            for draw in draws:
                self._carry_on(draw, promise, held)

    def _start(self) -> list[UnfinishedDraw]:
        """Do what a central does at its start before it listens."""
        data = DataDirectory(self._data_dir)
        data.own()
        try:
            draws = recover(data, self._facts.places)
            unreceived(data)
        finally:
            data.release()
        return draws

    def _look_at(
        self, before: Tree, tree: Tree, promise: Promise, draws: Sequence[UnfinishedDraw]
    ) -> dict[int, Holding]:
        """Hold what start-up has left against what was told, and against what was sent."""
        start = f"{self._facts.data_dir}/{DRAW}"
        left = [path for path in tree if path.endswith(".tmp")]
        _hold(not left, f"start-up has left {left}")
        was, record = (record_in(each, start) for each in (before, tree))
        _hold(step_of(was) <= step_of(record), f"{was.get('state')} has become {record}")
        _hold(not promise.bets or bool(record), "nothing is there of the draw")
        held = holdings_in(tree, start)
        for agency, holding in held.items():
            sent = tuple(self._facts.sent.get(agency, ()))
            _hold(holding.rows == sent[: len(holding.rows)], f"{agency} has not sent {holding}")
            _hold(not holding.ended or holding.rows == sent, f"{agency} has ended too early")
        for agency, bets in promise.bets.items():
            holding = held.get(agency, Holding())
            found = len(holding.rows)
            _hold(found >= bets, f"agency {agency} was told of {bets} bets, {found} are there")
            told = agency in promise.ended
            _hold(holding.ended or not told, f"the END of agency {agency} is lost")
        if promise.drawn:
            _hold(step_of(record) >= step_of({"state": "drawn"}), f"no number in {record}")
        if record.get("winning_number") is not None:
            _hold(record["winning_number"] == self._facts.number, f"another number in {record}")
        if record.get("state", "open") != "open":
            parts = {part["agency"]: part for part in record["agencies"]}
            for agency in promise.ended:
                outcome = parts.get(agency, {}).get("outcome")
                _hold(outcome == "succeeded", f"agency {agency} has ended, and is {outcome}")
        for draw in draws:
            if draw.record.state == "open":
                stand = {each: (at.next_index, at.ended) for each, at in draw.standings.items()}
                there = {each: (len(has.rows), has.ended) for each, has in held.items()}
                _hold(stand == there, f"agencies stand at {stand}, there is {there}")
        return held

    def _carry_on(
        self, draw: UnfinishedDraw, promise: Promise, held: Mapping[int, Holding]
    ) -> None:
        """Go on from the step that was reached to the end of the draw."""
        directory, record = draw.directory, draw.record
        if record.state == "open":
            record = _closing(record, draw.standings)
            publish(record, directory.record)
        if record.state == "closing":
            record = seal(directory, record)
        if record.state == "sealed":
            record = draw_number(directory, record, self._other_number)
        if record.state == "drawn":
            record = note_delivered(directory, record, ())
        self._hold_results(directory, directory.read(), held)

    def _hold_results(
        self, directory: DrawDirectory, record: DrawRecord, held: Mapping[int, Holding]
    ) -> None:
        if record.state == "void":
            _hold(not directory.bets_csv.exists(), "a void draw has a bets.csv")
            return
        rows = {
            agency: [b"%d,%s\n" % (agency, row) for row in holding.rows]
            for agency, holding in held.items()
        }
        whole = b"".join(b"".join(rows[agency]) for agency in sorted(rows))
        _hold(directory.bets_csv.read_bytes() == whole, "bets.csv is not what the segments hold")
        number = record.winning_number
        taking_part = [part.agency for part in record.succeeded]
        won = {
            agency: [row for row in rows[agency] if int(row.rpartition(b",")[2]) == number]
            for agency in taking_part
            if agency in rows
        }
        winners = b"".join(b"".join(won[agency]) for agency in sorted(won))
        _hold(directory.winners_csv.read_bytes() == winners, "winners.csv is not right")
        for agency in taking_part:
            own = [row.partition(b",")[2] for row in won.get(agency, [])]
            _hold(winners_of(directory, record, agency) == own, f"wrong winners of {agency}")


def plant(tree: Tree, directory: Path) -> None:
    """Make a tree anew in a directory."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for path, content in tree.items():  # a directory stands before what is in it
        if content is None:
            os.mkdir(directory / path, 0o700)
        else:
            fd = os.open(directory / path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.write(fd, content)
            finally:
                os.close(fd)


def harvest(directory: Path) -> dict[str, bytes | None]:
    """Give the tree that stands in a directory."""
    tree: dict[str, bytes | None] = {}
    for above, names, files in os.walk(directory):
        start = os.path.relpath(above, directory) + "/" if above != str(directory) else ""
        tree.update((start + name, None) for name in names)
        tree.update((start + name, Path(above, name).read_bytes()) for name in files)
    return dict(sorted(tree.items()))


@contextmanager
def no_flushes() -> Iterator[None]:
    """Make flushes cost nothing: it is the model of the disk that knows what they are for."""
    kept = os.fsync, os.fdatasync
    os.fsync = os.fdatasync = lambda fd: None
    try:
        yield
    finally:
        os.fsync, os.fdatasync = kept


def _closing(record: DrawRecord, standings: Mapping[int, Standing]) -> DrawRecord:
    """Close an open draw: who has ended has succeeded."""
    parts = tuple(
        AgencyPart(
            agency,
            "classic" if stands.classic else "lottery/1",
            "succeeded" if stands.ended else "left_out",
            "" if stands.ended else "it has not come back",
            stands.next_index,
            stands.crc,
            stands.nonce,
        )
        for agency, stands in standings.items()
    )
    return DrawRecord(record.draw, "closing", record.places, parts)


def _differing(one: Tree, other: Tree) -> list[str]:
    paths = sorted({*one, *other})
    return [path for path in paths if one.get(path, b"?") != other.get(path, b"?")]


def _hold(holds: bool, sentence: str) -> None:
    if not holds:
        raise Wrong(sentence)
