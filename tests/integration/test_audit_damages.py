"""Thousands of damages: on a sealed draw all are found, on an open one all but a cut of the tail.

Bits, bytes, rows, records and whole files are changed, deleted, inserted, swapped, doubled and
exchanged. Everything that chance decides is decided by a seed. With ``LOTTERY_SOAK=1`` it is every
bit of every file of larger draws in every state, and ten times as many of the others.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from attrs import Factory, define
from audit_rig import STATES, TODAY, DrawRig, a_draw, write_draw

from lottery.audit.draw import audit_draw

pytestmark = pytest.mark.soak

SOAK: Final = os.environ.get("LOTTERY_SOAK") == "1"
#: How many times as many damages of a kind.
TIMES: Final = 10 if SOAK else 1
#: Every bit of these, then.
LARGE: Final = {"bets": 20, "agencies": 5, "segments": 3}

SEALED: Final = ("sealed", "drawn", "delivered", "void")
UNSEALED: Final = ("open", "closing")

Files = dict[str, bytes]


@define
class Bench:
    """A draw on the disk that is damaged and mended, again and again.

    :ivar damages: how many so far.
    :ivar missed: those that were not found.
    """

    path: Path
    rig: DrawRig
    files: Files
    damages: int = 0
    missed: list[str] = Factory(list)

    def try_file(self, what: str, name: str, data: bytes) -> None:
        """Try another content of a file, unless it is the same."""
        if data != self.files.get(name):
            self.try_files(f"{what} of {name}", {**self.files, name: data})

    def try_files(self, what: str, files: Files) -> None:
        """Try other files, of which at least one differs."""
        assert files != self.files
        touched = [
            name for name in {*files, *self.files} if files.get(name) != self.files.get(name)
        ]
        for name in touched:
            self._put(name, files.get(name))
        difference = audit_draw(self.path, self.rig.number, TODAY, pause=_never).difference
        self.damages += 1
        if difference is None:
            self.missed.append(what)
        else:
            # It has a place: a file that there is, or one that is missing.
            assert difference.file in files or "missing" in difference.what, (what, difference)
        for name in touched:
            self._put(name, self.files.get(name))

    def is_clean(self) -> bool:
        """Whether all is mended again."""
        return audit_draw(self.path, self.rig.number, TODAY, pause=_never).difference is None

    def _put(self, name: str, data: bytes | None) -> None:
        if data is None:
            (self.path / name).unlink()
        else:
            # Never cut to nothing before it is written: ext4 flushes a file that was.
            with open(os.open(self.path / name, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
                file.write(data)
                file.truncate()


def _never(seconds: float) -> None:
    raise AssertionError("nothing changes while it is checked")


def bench_of(tmp_path: Path, state: str, **sizes: object) -> Bench:
    """A draw in a state, in which nothing is wrong."""
    rig = a_draw(state, number=2, **sizes)  # type: ignore[arg-type]
    files = rig.files(state)
    bench = Bench(write_draw(tmp_path, 2, files), rig, files)
    assert bench.is_clean()
    return bench


# What may happen to bytes; each gives other bytes, or the same if chance has it so.

Damage = Callable[[bytes, random.Random], bytes]


def cut_out(data: bytes, chance: random.Random) -> bytes:
    """Some bytes are missing."""
    begin = chance.randrange(len(data))
    return data[:begin] + data[begin + chance.choice((1, 1, 2, 8, 40, 100)) :]


def put_in(data: bytes, chance: random.Random) -> bytes:
    """Some bytes are too many."""
    place = chance.randrange(len(data) + 1)
    more = chance.choice((b"\0", b"\n", b"0", b",", bytes(40), chance.randbytes(5)))
    return data[:place] + more + data[place:]


def doubled(data: bytes, chance: random.Random) -> bytes:
    """Some bytes are there twice."""
    begin = chance.randrange(len(data))
    end = begin + chance.choice((1, 2, 40, 100))
    return data[:end] + data[begin:]


def swapped(data: bytes, chance: random.Random) -> bytes:
    """Two pieces have changed places."""
    one, two, three = sorted(chance.randrange(len(data) + 1) for _ in range(3))
    return data[:one] + data[two:three] + data[one:two] + data[three:]


def swapped_bytes(data: bytes, chance: random.Random) -> bytes:
    """Two neighbours have changed places."""
    place = chance.randrange(len(data) - 1)
    return (
        data[:place] + data[place + 1 : place - 1 : -1] + data[place + 2 :]
        if place
        else (data[1::-1] + data[2:])
    )


def overwritten(data: bytes, chance: random.Random) -> bytes:
    """Some bytes are others."""
    begin = chance.randrange(len(data))
    length = min(chance.choice((1, 4, 16, 512)), len(data) - begin)
    other = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
    return data[:begin] + other + data[begin + length :]


def digit(data: bytes, chance: random.Random) -> bytes:
    """A digit is another one."""
    places = [place for place, byte in enumerate(data) if 48 <= byte <= 57]
    place = chance.choice(places)
    return data[:place] + b"%d" % chance.randrange(10) + data[place + 1 :]


def truncated(data: bytes, chance: random.Random) -> bytes:
    """Some bytes at the end are missing."""
    return data[: chance.randrange(len(data))]


BYTES: Final = (
    cut_out, put_in, doubled, swapped, swapped_bytes, overwritten, digit, truncated,
)  # fmt: skip


def pieces_changed(pieces: list[bytes], chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """One row or record is missing, there twice, elsewhere, or swapped with another one."""
    place, other = chance.randrange(len(pieces)), chance.randrange(len(pieces))
    piece = pieces[place]
    rest = pieces[:place] + pieces[place + 1 :]
    both = list(pieces)
    both[place], both[other] = both[other], both[place]
    for what, changed in (
        ("one missing", rest),
        ("one twice", [*pieces[:place], piece, *pieces[place:]]),
        ("one too many", [*pieces[:other], piece, *pieces[other:]]),
        ("one elsewhere", [*rest[:other], piece, *rest[other:]]),
        ("two swapped", both),
    ):
        yield what, b"".join(changed)


def records_of(rig: DrawRig) -> dict[str, list[bytes]]:
    """The records of each segment."""
    return {
        each.name: [
            each.data[begin:end]
            for begin, end in zip(each.places, [*each.places[1:], len(each.data)], strict=True)
        ]
        for each in rig.segments
    }


# A draw whose files do not change any more: everything is found.


def bits_of(data: bytes, chance: random.Random, *, every: bool) -> Iterator[bytes]:
    """Every bit is another one, or one bit of each byte."""
    for place in range(len(data)):
        for bit in range(8) if every else [chance.randrange(8)]:
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            yield bytes(changed)


@pytest.mark.parametrize("state", SEALED if SOAK else ["delivered", "void"])
def test_every_bit(tmp_path, state) -> None:
    """Also of the record itself; if it is not the soak, one bit of each of its bytes."""
    sizes = LARGE if SOAK else {"bets": 0, "agencies": 2, "segments": 1}
    bench = bench_of(tmp_path, state, **sizes)
    chance = random.Random(state)
    for name, data in bench.files.items():
        every = SOAK or (state == "delivered" and name != "draw.json")
        for changed in bits_of(data, chance, every=every):
            bench.try_file("a bit", name, changed)
    assert bench.missed == []
    assert bench.damages >= 1000
    assert bench.is_clean()


@pytest.mark.parametrize("state", SEALED)
def test_bytes_and_rows(tmp_path, state) -> None:
    """Of every file."""
    bench = bench_of(tmp_path, state, bets=12, segments=3, agencies=5)
    chance = random.Random(state)
    records = records_of(bench.rig)
    for name, data in bench.files.items():
        for _ in range(8 * TIMES):
            for damage in BYTES:
                bench.try_file(damage.__name__, name, damage(data, chance))
            pieces = records.get(name) or data.splitlines(keepends=True)
            for what, changed in pieces_changed(pieces, chance):
                bench.try_file(what, name, changed)
    assert bench.missed == []
    assert bench.damages >= 300 * TIMES
    assert bench.is_clean()


@pytest.mark.parametrize("state", SEALED)
def test_files(tmp_path, state) -> None:
    """Exchanged with each other and with those of other draws, missing, empty, or too many."""
    bench = bench_of(tmp_path, state, segments=3)
    files = bench.files
    others = {
        "number": a_draw(state, number=3, segments=3).files(state),
        "bets": a_draw(state, number=2, segments=3, seed=9).files(state),
        "cut": a_draw(state, number=2, segments=3, batch=3).files(state),
        # Not of this one: an earlier record of the same draw is what a crash may leave, too.
        **{each: a_draw(each, number=3, segments=3).files(each) for each in STATES},
    }
    for name, data in files.items():
        for other in files:
            if other != name:
                bench.try_files(
                    f"{name} exchanged with {other}", {**files, name: files[other], other: data}
                )
                bench.try_file(f"a copy of {other}", name, files[other])
        for which, foreign in others.items():
            if name in foreign:
                bench.try_file(f"that of another draw ({which})", name, foreign[name])
        bench.try_files(f"no {name}", {key: files[key] for key in files if key != name})
        bench.try_file("nothing", name, b"")
    for name in ("segment-0004.log", "segment-0000.log", "segment-1.log", "x", "draw.json.old"):
        for data in (b"", *files.values()):
            bench.try_file("too many", name, data)
    assert bench.missed == []
    assert bench.damages >= 90
    assert bench.is_clean()


# A draw that is open or closing: all but a cut of the tail.


def is_cut(bench: Bench, name: str, data: bytes) -> bool:
    """Whether a segment has lost bytes at its end, or of what it does not prove to be flushed.

    Nothing in the segment knows of them: that is what its last record calls flushed. Their
    agency does, and says so when it comes back.
    """
    segment = next(each for each in bench.rig.segments if each.name == name)
    whole, last = segment.data, segment.places[-1]
    flushed = int.from_bytes(whole[last + 28 : last + 36])
    return len(data) < len(whole) and (whole.startswith(data) or data.startswith(whole[:flushed]))


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("state", UNSEALED)
def test_every_bit_of_segments(tmp_path, state, closed) -> None:
    """A bit is no cut: each is found, also in a tail that was never flushed."""
    sizes = LARGE if SOAK else {"bets": 0, "agencies": 2, "segments": 1}
    bench = bench_of(tmp_path, state, closed=closed, **sizes)
    chance = random.Random(state)
    every = SOAK or (state == "open" and not closed)
    for segment in bench.rig.segments:
        for changed in bits_of(segment.data, chance, every=every):
            bench.try_file("a bit", segment.name, changed)
    assert bench.missed == []
    assert bench.damages >= 200
    assert bench.is_clean()


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("state", UNSEALED)
def test_bytes_and_records_of_segments(tmp_path, state, closed) -> None:
    """What is not found is a cut; and where the agency went on behind it, a cut is, too.

    Two records of two agencies in one group can change places: the bets are the same, in the same
    order of each agency, and whatever is made of them is. So records are not swapped here.
    """
    bench = bench_of(tmp_path, state, closed=closed, bets=12, segments=3, agencies=5)
    chance = random.Random(f"{state} {closed}")
    records = records_of(bench.rig)
    cuts = 0
    for name, data in bench.files.items():
        if name == "draw.json":
            continue
        for _ in range(8 * TIMES):
            changes = [(damage.__name__, damage(data, chance)) for damage in BYTES]
            changes += [
                (what, changed)
                for what, changed in pieces_changed(records[name], chance)
                if what not in ("two swapped", "one elsewhere")
            ]
            for what, changed in changes:
                missed = len(bench.missed)
                bench.try_file(what, name, changed)
                if len(bench.missed) > missed and is_cut(bench, name, changed):
                    bench.missed.pop()
                    cuts += 1
    assert bench.missed == []
    assert bench.damages >= 200 * TIMES
    assert cuts < bench.damages / 10
    assert bench.is_clean()


@pytest.mark.parametrize("state", UNSEALED)
def test_files_of_segments(tmp_path, state) -> None:
    """Exchanged, missing, too many; the record is found in any of them."""
    bench = bench_of(tmp_path, state, segments=3)
    files = bench.files
    other = a_draw(state, number=3, segments=3).files(state)
    for name, data in files.items():
        for another in files:
            if another != name:
                exchanged = {**files, name: files[another], another: data}
                bench.try_files(f"{name} exchanged with {another}", exchanged)
        bench.try_file("that of another draw", name, other[name])
        if name != "segment-0003.log":  # the last one missing is the longest cut there is
            bench.try_files(f"no {name}", {key: files[key] for key in files if key != name})
    chance = random.Random(state)
    for changed in bits_of(files["draw.json"], chance, every=SOAK):
        bench.try_file("a bit", "draw.json", changed)
    for name in ("segment-0005.log", "segment-0000.log", "winners.csv", "x"):
        bench.try_file("too many", name, b"")
    assert bench.missed == []
    assert bench.damages >= 100
    assert bench.is_clean()
