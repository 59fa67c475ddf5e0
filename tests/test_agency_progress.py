"""How far an errand is: its steps, its counters, its pace."""

from __future__ import annotations

from pathlib import Path

import pytest
from agency_rig import (
    NONCE,
    ROW,
    STORAGE,
    Errand,
    ack,
    hello,
    refused,
    welcome,
    winners,
)
from twisted.internet.error import ConnectionLost

from lottery.agency.bets_file import Total
from lottery.agency.progress import WINNERS_SHOWN, Pace, Phase
from lottery.agency.run import DONE
from lottery.agency.source import CHUNK_BYTES

LOST = ConnectionLost("reset by peer")


class TestErrand:
    """What an errand notes on its way."""

    def test_happy_day(self, tmp_path: Path) -> None:
        """Every phase, and what is counted in it."""
        rig = Errand(tmp_path, ROW * 5)
        progress = rig.errand.progress
        assert progress.phase is Phase.CONNECTING
        assert (progress.acknowledged, progress.sent) == (0, 0)
        assert progress.total == Total(5, exact=False)
        connection = rig.welcomed()
        assert progress.phase is Phase.SENDING
        assert (progress.acknowledged, progress.sent) == (0, 4)
        rig.reactor.advance(3)
        connection.say(ack(2))
        rig.read()
        assert (progress.acknowledged, progress.sent) == (2, 5)
        assert progress.total == Total(5, exact=True)
        assert progress.sending_seconds is None
        rig.reactor.advance(1)
        connection.say(ack(5), ack(5, ended=True))
        assert progress.phase is Phase.WAITING
        assert (progress.since, progress.sending_seconds) == (rig.reactor.seconds(), 4)
        rig.reactor.advance(7)
        connection.say(winners(2, 0, ROW), winners(2, 1, ROW))
        connection.cut()

        assert rig.status() == DONE
        assert progress.sending_seconds == 4
        assert (progress.winners, progress.first_winners) == (2, [ROW.decode().rstrip()] * 2)
        assert progress.reconnections == 0
        assert progress.result is rig.errand.result

    def test_before_anything_is_connected(self, tmp_path: Path) -> None:
        """While the first bets are awaited, nothing is known."""
        rig = Errand(tmp_path, None, input=tmp_path / "none.csv")
        progress = rig.errand.progress
        assert (progress.phase, progress.total, progress.sent) == (Phase.READING, None, 0)

    def test_away(self, tmp_path: Path) -> None:
        """A central that is not there: why, when the next attempt is, and how many there were."""
        rig = Errand(tmp_path, ROW)
        progress = rig.errand.progress
        for attempt, seconds in enumerate((0.1, 0.2), 1):
            rig.endpoint.refuse(OSError("no way"))
            assert (progress.phase, progress.trouble) == (Phase.AWAY, "no way")
            assert progress.again_at == pytest.approx(rig.reactor.seconds() + seconds)
            assert progress.attempts == attempt
            rig.until_next_attempt()
            assert (progress.phase, progress.trouble) == (Phase.CONNECTING, "no way")
        connection = rig.welcomed()
        assert (progress.phase, progress.trouble) == (Phase.SENDING, "")
        assert (progress.attempts, progress.reconnections) == (0, 0)
        connection.cut(LOST)
        assert (progress.phase, progress.attempts) == (Phase.AWAY, 0)
        rig.until_next_attempt()
        rig.welcomed(greeting=hello(3))
        assert progress.reconnections == 1
        rig.stop()

    def test_held_up(self, tmp_path: Path) -> None:
        """A central without room is a reason to wait, too."""
        rig = Errand(tmp_path, ROW)
        progress = rig.errand.progress
        connection = rig.welcomed()
        connection.say(refused(STORAGE, 0, b"no room"))
        assert (progress.phase, progress.trouble) == (Phase.HELD, "no room")
        assert progress.again_at == pytest.approx(rig.reactor.seconds() + 0.1)
        rig.reactor.advance(0.1)
        assert (progress.phase, progress.trouble) == (Phase.SENDING, "")
        rig.stop()

    def test_resumed(self, tmp_path: Path) -> None:
        """What the central has already counts at once, and is compared first."""
        count = CHUNK_BYTES // len(ROW) + 10
        rig = Errand(tmp_path, ROW * count)
        progress = rig.errand.progress
        rig.endpoint.accept().say(welcome(ROW * (count - 2)))
        assert (progress.phase, progress.acknowledged) == (Phase.COMPARING, count - 2)
        assert progress.sent == count - 2
        rig.read()
        assert (progress.phase, progress.sent) == (Phase.SENDING, count)
        rig.stop()

    def test_winners_told_again(self, tmp_path: Path) -> None:
        """Another session tells them from the first one on: none counts twice."""
        rig = Errand(tmp_path, ROW * 2)
        progress = rig.errand.progress
        connection = rig.welcomed()
        connection.say(ack(2), ack(2, ended=True), winners(2, 0, ROW))
        assert progress.winners == 1
        connection.cut(LOST)
        rig.until_next_attempt()
        assert (progress.winners, progress.first_winners) == (0, [])
        greeting = connection.said()
        assert greeting.endswith(NONCE)
        rig.stop()

    def test_only_the_first_winners_are_kept(self, tmp_path: Path) -> None:
        """Memory stays flat, however many there are and in whatever pieces they come."""
        rig = Errand(tmp_path, ROW)
        progress = rig.errand.progress
        for count in (1, 18, 3, 500):
            progress.take_winners(ROW * count)
        assert progress.winners == 522
        assert len(progress.first_winners) == WINNERS_SHOWN
        rig.stop()

    def test_skipped(self, tmp_path: Path) -> None:
        """Rows that are left out are counted, and none of the total."""
        rig = Errand(tmp_path, ROW + b"x\n" + ROW, skip_bad=True)
        assert rig.errand.progress.skipped == 1
        rig.welcomed()
        assert rig.errand.progress.total == Total(2, exact=True)
        rig.stop()


class TestPace:
    """How fast it goes."""

    def test_too_early(self) -> None:
        """Nothing is said of less than half a second."""
        pace = Pace()
        assert pace.per_second is None
        pace.note(10.0, 0)
        pace.note(10.4, 1000)
        assert pace.per_second is None
        pace.note(10.5, 1000)
        assert pace.per_second == 2000

    def test_last_seconds(self) -> None:
        """What was before the last five seconds does not count."""
        pace = Pace()
        for second in range(11):
            pace.note(second, 0 if second < 5 else (second - 5) * 100)
        assert pace.per_second == 100

    def test_standing_still(self) -> None:
        """A pace of nothing is told as that."""
        pace = Pace()
        for second in range(9):
            pace.note(second, 100)
        assert pace.per_second == 0

    def test_begun_anew(self) -> None:
        """Less than before is another count."""
        pace = Pace()
        pace.note(0, 100)
        pace.note(1, 200)
        pace.note(2, 0)
        assert pace.per_second is None
        pace.note(3, 50)
        assert pace.per_second == 50

    def test_restart(self) -> None:
        """A pause is none of it."""
        pace = Pace()
        pace.note(0, 100)
        pace.restart()
        assert pace.per_second is None
