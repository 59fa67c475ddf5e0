"""What a central does about the ledger that it finds: mended and told, or status 3, untouched."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen
from ledger_bytes import tree
from live import PATIENCE_SECONDS, LiveCentral, export, made_up, run_lottery, union
from lottery1_agency import Lottery1Agency, batch, hello

#: Many programs are started here, one after the other.
pytestmark = pytest.mark.slow

NOWHERE: Final = "tcp:0:interface=127.0.0.1"
ROWS: Final = made_up(40)
OTHERS: Final = made_up(5, name="Eva")
SEGMENT: Final = "segment-0001.log"
RECORD: Final = "draw.json"


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a central that was killed: two agencies, each with a segment."""
    directory = tmp_path_factory.mktemp("left")
    with (
        LiveCentral(directory, "--agencies", 3, "--writers", 2) as central,
        Lottery1Agency(central.port) as one,
        Lottery1Agency(central.port) as two,
    ):
        one.greet(1)
        two.greet(2)
        for first in (0, 20):  # the second batch says that the first one is on disk
            one.send(batch(first, ROWS[first : first + 20]))
            one.acknowledged(first + 20)
        two.send(batch(0, OTHERS))
        two.acknowledged(len(OTHERS))
        writers = central.children
        for pid in writers:  # or they might still close their segments
            central.stop_child(pid)
        ends = [os.pidfd_open(pid) for pid in writers]
        assert central.stop(signal.SIGKILL)[0] == -signal.SIGKILL
        for descriptor in ends:  # killed, too, when the kernel comes to it
            assert select.select([descriptor], [], [], PATIENCE_SECONDS)[0]
            os.close(descriptor)
    return central.data_dir


@pytest.fixture
def data(left: Path, tmp_path: Path) -> Path:
    """A copy of it, and whoever wrote it is gone."""
    return Path(shutil.copytree(left, tmp_path / "data"))


TAILS: Final[dict[str, tuple[Callable[[bytes], bytes], int]]] = {
    "torn": (lambda whole: whole[:-5], 20),
    "header-torn": (lambda whole: whole[: whole.rindex(b"LCS1") + 7], 20),
    "nuls": (lambda whole: whole + bytes(5000), 40),
    "garbage": (lambda whole: whole + os.urandom(99), 40),
}


@pytest.mark.parametrize("name", TAILS)
def test_a_tail_that_is_none(data: Path, tmp_path: Path, name: str) -> None:
    """It starts, what was whole is kept, and the log names file, place and length."""
    damage, kept = TAILS[name]
    path = data / "draws" / "000001" / SEGMENT
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    length = path.stat().st_size
    with LiveCentral(tmp_path, "--agencies", 3, data_dir=data) as central:
        line = central.wait_for(
            rf"torn_tail . result: success . path: {re.escape(str(path))} "
            r". offset: (\d+) . length: (\d+)$"
        )
        assert int(line[1]) + int(line[2]) == length
        assert whole.startswith(path.read_bytes()[: int(line[1])])
        with Lottery1Agency(central.port) as one:
            one.greet(1)
            one.send(batch(kept, ROWS[kept:] + ROWS[:1]))
            one.acknowledged(41)
        assert export(data, 1) == union({1: ROWS + ROWS[:1], 2: OTHERS})


def newer(record: bytes) -> bytes:
    """The record of a draw as a version to come might write it, in good order."""
    lines = record.replace(b"lottery draw 1", b"lottery draw 2").splitlines(keepends=True)
    head = b"".join(lines[:-2])
    made = head + b'  "sha256": "%s"\n}\n' % sha256(head).hexdigest().encode()
    assert json.loads(made)["format"] == "lottery draw 2"
    return made


@frozen
class Damage:
    """What is done to a file of the draw; None: it is taken away.

    :ivar says: what the sentence holds beside the path of the file.
    """

    name: str
    change: Callable[[bytes], bytes] | None
    says: str


def _flipped(place: int) -> Callable[[bytes], bytes]:
    return lambda whole: whole[:place] + bytes((whole[place] ^ 1,)) + whole[place + 1 :]


DAMAGES: Final[dict[str, Damage]] = {
    "in-the-middle": Damage(SEGMENT, _flipped(100), "damaged at byte 40, no record checks out"),
    "head-flipped": Damage(SEGMENT, _flipped(10), "damaged at byte 0, no record checks out"),
    "head-newer": Damage(
        SEGMENT, lambda whole: b"LCS2" + whole[4:], "damaged at byte 0, no record checks out"
    ),
    "middle-zeroed": Damage(
        SEGMENT, lambda whole: whole[:300] + bytes(99) + whole[399:], "damaged at byte 40"
    ),
    "record-missing": Damage(RECORD, None, "damaged at byte 0, it is missing"),
    "record-empty": Damage(RECORD, lambda whole: b"", "damaged at byte 0"),
    "record-torn": Damage(RECORD, lambda whole: whole[:-9], "damaged at byte 0"),
    "record-flipped": Damage(RECORD, _flipped(30), "its SHA-256 is another one"),
    "record-newer": Damage(RECORD, newer, "it is no record of this format"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage(data: Path, tmp_path: Path, name: str) -> None:
    """Status 3, one sentence with file and place, and not a byte is changed."""
    damage = DAMAGES[name]
    path = data / "draws" / "000001" / damage.name
    if damage.change is None:
        path.unlink()
    else:
        path.write_bytes(damage.change(path.read_bytes()))
    before = tree(data / "draws")
    done = run_lottery("serve", "--listen", NOWHERE, "--data-dir", data, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert re.fullmatch(rf"lottery: {re.escape(str(path))} [^\n]+\n", done.stderr), done.stderr
    assert damage.says in done.stderr
    assert tree(data / "draws") == before


def test_a_segment_that_is_gone(data: Path, tmp_path: Path) -> None:
    """Nothing in the draw speaks of it: the agency does, which was told of more than there is."""
    (data / "draws" / "000001" / SEGMENT).unlink()
    with LiveCentral(tmp_path, "--agencies", 3, data_dir=data) as central:
        with Lottery1Agency(central.port) as one:
            one.send(hello(1, draw=1, acknowledged=40))
            assert one.error()[0] == "SEQ"
        central.wait_for(r"action: damage . result: fail .*40 bets were acknowledged to agency 1")
        assert export(data, 1) == union({2: OTHERS})
