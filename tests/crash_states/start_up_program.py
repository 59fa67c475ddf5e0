"""Starts up on every data directory of a row, as a central does before it listens.

Run under trace: ``python start_up_program.py DIRECTORY DATA_DIR PLACES``, where every directory
in DIRECTORY holds a DATA_DIR.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lottery.ledger.directory import DataDirectory
from lottery.ledger.recovery import UnfinishedDraw, recover, unreceived


def start_up(data_dir: Path, places: int) -> list[UnfinishedDraw]:
    """Own a data directory, bring it to where its draws can go on, and let it go."""
    data = DataDirectory(data_dir)
    data.own()
    try:
        draws = recover(data, places)
        unreceived(data)
    finally:
        data.release()
    return draws


if __name__ == "__main__":
    for directory in sorted(Path(sys.argv[1]).iterdir()):
        start_up(directory / sys.argv[2], int(sys.argv[3]))
