"""The connection is cut behind every byte of a session, both directions, FIN and RST."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from counts import count, dice
from cutting_proxy import FIN, RST, TO_AGENCY, TO_CENTRAL, CuttingProxy
from day import rows_of_agency
from live import LiveCentral
from oracle import (
    History,
    check_audit,
    check_ledger,
    check_record,
    draw_directory,
    read_record,
    stored_rows,
)
from recorder import Recorder
from shared_oracle import check_shared_draw

pytest_plugins = ["postgres_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.faults]

#: Three batches of two.
BETS, SIZE = 6, 2
#: Agencies of one draw.
PLACES: Final = 100


class Cut(NamedTuple):
    """Cut behind so many bytes of a direction."""

    direction: int
    after: int
    how: str


def client(agency: int, central: LiveCentral, proxy: CuttingProxy, rng: random.Random) -> Recorder:
    """A client whose first connection goes through a proxy, and the others straight."""
    ports = [proxy.port]
    return Recorder(
        agency,
        rows_of_agency(agency, BETS, rng),
        lambda: ports.pop() if ports else central.port,
        random.Random(rng.random()),
        over=threading.Event(),
        sizes=(SIZE,),
        windows=(1,),
    )


def session_bytes(directory: Path, rng: random.Random) -> Sequence[int]:
    """How many bytes a whole session has in each direction; the longest of a few."""
    longest = [0, 0]
    with LiveCentral(directory, "--agencies", 1, level="INFO") as central:
        for agency in (99, 100, 101):
            with CuttingProxy(central.port) as proxy:
                recorder = client(agency, central, proxy, rng)
                recorder.start()
                recorder.finish()
            longest = [max(pair) for pair in zip(longest, proxy.carried, strict=True)]
    return longest


def test_cut_behind_every_byte(tmp_path: Path, ledger_url: str | None) -> None:
    """Each agency comes back and goes on: the ledger is its input exactly, the winners its own."""
    rng = dice("cuts")
    (tmp_path / "whole").mkdir()
    lengths = session_bytes(tmp_path / "whole", rng)
    cuts = [
        Cut(direction, after, how)
        for direction in (TO_CENTRAL, TO_AGENCY)
        for after in range(lengths[direction] + 1)
        for how in (FIN, RST)
    ]
    rng.shuffle(cuts)
    cuts = cuts[: count("cuts")]
    draws = [cuts[first : first + PLACES] for first in range(0, len(cuts), PLACES)]
    draws[-1] += [Cut(TO_CENTRAL, 1, FIN)] * (PLACES - len(draws[-1]))
    options = ("--agencies", PLACES, "--rejoin", 60, "--draws", len(draws), "--reconnects", 0)
    if ledger_url is not None:
        options += ("--ledger", ledger_url)
    with LiveCentral(tmp_path, *options, level="INFO") as central:
        played = [play(central, draw, each, rng) for draw, each in enumerate(draws, 1)]
        assert central.wait() == 0
    for draw, (histories, _) in enumerate(played, 1):
        assert all(history.received for history in histories)
        if ledger_url is not None:
            check_shared_draw(histories, ledger_url, draw)
            continue
        directory = draw_directory(central.data_dir, draw)
        check_ledger(histories, stored_rows(directory))
        check_record(histories, directory)
        assert all(part["received"] for part in read_record(directory)["agencies"])
    if ledger_url is None:
        check_audit(central.data_dir)
    done = sum(cut for _, cut in played)
    print(f"{done} connections were cut, in {len(draws)} draws; a session has {lengths} bytes")
    assert done > 0.9 * len(cuts)


def play(
    central: LiveCentral, draw: int, cuts: Sequence[Cut], rng: random.Random
) -> tuple[list[History], int]:
    """Play a draw with an agency for each cut; gives what they heard, and how many were cut."""
    proxies = [CuttingProxy(central.port, *cut) for cut in cuts]
    try:
        clients = [
            client(100 * draw + number, central, proxy, rng) for number, proxy in enumerate(proxies)
        ]
        for each in clients:
            each.start()
        histories = [each.finish() for each in clients]
        for each, proxy in zip(clients, proxies, strict=True):
            if proxy.cut:
                each.come_back()  # its RECEIVED may have been cut off
    finally:
        for proxy in proxies:
            proxy.__exit__(None, None, None)
    pattern = rf"consulta_ganadores \| result: success \| draw: {draw} "
    central.wait_for(pattern, count=PLACES)
    return histories, sum(proxy.cut for proxy in proxies)
