"""The memory of an agency: a file of a million bets needs no more than one of a thousand."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from live import LiveAgency, LiveCentral

pytestmark = pytest.mark.slow

FEW: Final = 1_000
MANY: Final = 1_000_000
LIMIT_BYTES: Final = 8 << 20
PATIENCE_SECONDS: Final = 180.0

#: ``lottery agency``, whose last word is its peak. The kernel keeps that from the start of the
#: program on; in what it tells of a child that has ended, the memory of the parent counts, too.
TELLS_ITS_PEAK: Final = """
import atexit, runpy

def tell():
    with open("/proc/self/status") as status:
        print(*(line for line in status if line.startswith("VmHWM:")), end="", flush=True)

atexit.register(tell)
runpy.run_module("lottery", run_name="__main__", alter_sys=True)
"""


def _rows(bets: int, winners: int) -> Iterator[str]:
    """Rows of an agency's file, all different; the last ones win."""
    for index in range(bets):
        number = 7574 if index >= bets - winners else index % 7574
        yield f"María José,Ñáñez,{20_000_000 + index},1990-05-17,{number}\n"


def _peak_bytes(directory: Path, bets: int, winners: int, *options: object) -> int:
    """The most memory that an agency ever had, from its start to the end of its day."""
    directory.mkdir()
    file = directory / "bets.csv"
    try:
        with file.open("w", encoding="utf-8", newline="") as output:
            output.writelines(_rows(bets, winners))
        program = (sys.executable, "-c", TELLS_ITS_PEAK, "agency")
        with LiveCentral(directory, "--agencies", 1, "--draws", 1, level="INFO") as central:
            port = central.port
            with LiveAgency(directory, port, 1, file, *options, program=program) as agency:
                assert agency.wait(PATIENCE_SECONDS) == 0, agency.log
            assert central.wait() == 0
        agency.wait_for(rf"apuesta_enviada \| result: success \| client_id: 1 \| cantidad: {bets}$")
        agency.wait_for(rf"consulta_ganadores \| result: success .* cant_ganadores: {winners} ")
        with agency.output.open("rb") as output:
            assert sum(1 for _ in output) == winners
        return int(agency.wait_for(r"^VmHWM:\s+(\d+) kB$")[1]) << 10
    finally:
        shutil.rmtree(directory)


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
@pytest.mark.parametrize("share", [0, 1], ids=["no-winner", "all-win"])
def test_a_million_bets_need_no_more_than_a_thousand(
    tmp_path: Path, share: int, level: str
) -> None:
    """The peaks differ by less than 8 MiB, also at DEBUG, and also if every bet has won."""
    few, many = (
        _peak_bytes(tmp_path / f"{bets}", bets, share * bets, "--log-level", level)
        for bets in (FEW, MANY)
    )
    print(f"{FEW} bets: {few >> 10} KiB, {MANY} bets: {many >> 10} KiB")
    assert many - few < LIMIT_BYTES
