"""What becomes of the agencies of a central that is killed, and does not come back."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from centrals import Centrals
from classic_agency import ClassicAgency
from live import LiveCentral, made_up, winning
from lottery1_agency import Lottery1Agency, batch, end, received
from oracle import History
from postgres_client import Database
from shared_oracle import check_shared_draw, record_in

pytest_plugins = ["postgres_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.faults]

ROWS: Final = made_up(20) + made_up(3, number=7574, name="Eva")
OTHERS: Final = made_up(3, name="Bob")
ENDED, AWAY, OTHER = 11, 12, 13
REJOIN: Final = 2


def upload(peer: Lottery1Agency, agency: int, *, ended: bool) -> History:
    """Send all bets, and the END or not."""
    peer.greet(agency)
    peer.send(batch(0, ROWS))
    peer.acknowledged(len(ROWS))
    if ended:
        peer.send(end(len(ROWS)))
        peer.acknowledged(len(ROWS), ended=True)
    count = len(ROWS)
    return History(agency, ROWS, sent=count, acknowledged=count, ended=ended)


def fetch(peer: Lottery1Agency, history: History) -> None:
    """Read the winners, and say so."""
    told = peer.winners()
    peer.send(received(told.draw, told.total))
    peer.rest()
    history.winners, history.number, history.received = told.rows, told.winning_number, True
    assert told.rows == winning(ROWS)


def kill(central: LiveCentral) -> None:
    """End it at once."""
    assert central.stop(9)[0] == -9


def test_its_agencies(tmp_path: Path, postgres_database: Database) -> None:
    """Who has ended gets its winners at another; who stays away, or is classic, is left out."""
    options = ("--agencies", 4, "--rejoin", REJOIN, "--silence", 0, "--draws", 1)
    dsn = postgres_database.dsn
    with Centrals(tmp_path, dsn, 2, *options) as centrals, ExitStack() as stack:
        dies, lives = centrals.lives

        def come(central: LiveCentral) -> Lottery1Agency:
            return stack.enter_context(Lottery1Agency(central.port))

        classic = stack.enter_context(ClassicAgency(dies.port))
        classic.batch(OTHERS)
        classic.acknowledged()
        histories = [History(None, OTHERS, "classic", sent=3, acknowledged=3)]
        histories += [
            upload(come(dies), ENDED, ended=True),
            upload(come(dies), AWAY, ended=False),
        ]
        kill(dies)
        stays = come(lives)
        histories += [upload(stays, OTHER, ended=True)]
        back = come(lives)
        back.greet(ENDED)
        fetch(back, histories[1])
        fetch(stays, histories[3])
        assert lives.wait() == 0
        assert check_shared_draw(histories, dsn) == 7574
    reasons = {part["agency"]: part["reason"] for part in record_in(dsn)["agencies"]}
    assert list(reasons) == [1, ENDED, AWAY, OTHER]
    assert reasons[ENDED] == reasons[OTHER] == ""
    assert reasons[1] == "it is away from all centrals"
    assert reasons[AWAY].startswith("it is away from all centrals, and it did not come back")


@pytest.mark.parametrize("step", ["open", "drawn"])
def test_all_of_them(tmp_path: Path, postgres_database: Database, step: str) -> None:
    """A central that is started behind them all goes on at the step that was reached."""
    dsn = postgres_database.dsn
    options = ("--agencies", 2, "--rejoin", 60, "--silence", 0)
    with Centrals(tmp_path, dsn, 2, *options) as centrals, ExitStack() as stack:

        def come(central: LiveCentral) -> Lottery1Agency:
            return stack.enter_context(Lottery1Agency(central.port))

        first, second = (come(central) for central in centrals.lives)
        histories = [
            upload(first, ENDED, ended=True),
            upload(second, OTHER, ended=step == "drawn"),
        ]
        if step == "drawn":
            for central in centrals.lives:
                central.drawn(1)
        for central in list(centrals.lives):
            kill(central)
        third = centrals.start("--winning-number", 20 if step == "drawn" else 7574)
        first, second = come(third), come(third)
        first.greet(ENDED)
        second.greet(OTHER)
        if step == "open":
            second.send(end(len(ROWS)))
            second.acknowledged(len(ROWS), ended=True)
            histories[1].ended = True
        for peer, history in zip((first, second), histories, strict=True):
            fetch(peer, history)
        third.wait_for("action: delivered . result: success . draw: 1 ")
        assert check_shared_draw(histories, dsn) == 7574
