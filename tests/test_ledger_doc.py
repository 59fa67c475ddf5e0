"""docs/ledger.md says what the code does: offsets, bytes, and how to read them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import code, page, section, table

from lottery.errors import DamagedLedger
from lottery.ledger import segment
from lottery.ledger.bets_csv import Ledger, make_bets_csv
from lottery.ledger.directory import DataDirectory
from lottery.ledger.segment import HEADER_BYTES, Kind, Records, Segment, pack

PAGE = page("docs/ledger.md")
ROWS = "3,Ana,López,30904465,1999-03-17,7574\n3,Juan,Paz,24807259,1984-12-01,0042\n".encode()


def header_table() -> list[tuple[int, int, str]]:
    """Offset, size and meaning of each field of a record's header."""
    rows = table(section(PAGE, "## Segments"), "offset", "bytes", "what")
    return [(int(offset), int(size), what) for offset, size, what in rows]


def test_offsets_follow_each_other() -> None:
    """The fields have no gaps and fill the header."""
    place = 0
    for offset, size, _ in header_table():
        assert offset == place
        place += size
    assert place == HEADER_BYTES
    assert f"a header of {HEADER_BYTES}\nbytes" in PAGE


def test_fields_are_where_the_table_says() -> None:
    """A record with another value in each field, taken apart by the table."""
    record = pack(Kind.END, 0x01020304, 0x1112131415161718, 0x21222324, b"body", 0x3132333435363738)
    values = [
        int.from_bytes(record[offset : offset + size], "big") for offset, size, _ in header_table()
    ]
    crc = values.pop()
    assert values == [
        int.from_bytes(segment.MAGIC, "big"),
        *(Kind.END, 0, 0x01020304, 0x1112131415161718, 0x21222324, 4, 0x3132333435363738),
    ]
    assert record[HEADER_BYTES:] == b"body"
    assert segment.crc32(record[:36] + b"body") == crc


def test_the_table_is_the_one_in_the_code() -> None:
    """The module's docstring has the same rows."""
    lines = re.split(r"^=+  =+  =+$", segment.__doc__ or "", flags=re.MULTILINE)[2].splitlines()
    found: list[str] = []
    for line in filter(str.strip, lines):
        if line[0] == " ":
            found[-1] += f" {line.strip()}"
        else:
            found.append(" ".join(line.replace("``", "`").split()))
    assert found == [f"{offset} {size} {what}" for offset, size, what in header_table()]


def test_kinds() -> None:
    """Both kinds are named with their numbers."""
    what = next(what for offset, _, what in header_table() if offset == 4)
    assert what == f"kind: {Kind.ROWS:d} rows, {Kind.END:d} end of an agency"
    assert len(Kind) == 2


def test_the_record_in_hex() -> None:
    """The worked record is what the code writes, and reads."""
    (text,) = code(section(PAGE, "### A record in hex"), "hex")
    data = bytes.fromhex("".join(line.partition(";")[0] for line in text.splitlines()))
    assert data == pack(Kind.ROWS, 3, 0, 2, ROWS, 118)
    (record,) = Records(data)
    assert (record.agency, record.first, record.bets, record.flushed) == (3, 0, 2, 118)


def test_the_tree(tmp_path: Path) -> None:
    """The files of a data directory are those of the page."""
    directory = DataDirectory(tmp_path / "lottery-data")
    directory.own()
    draw = directory.new_draw()
    written = Segment(str(draw.segment(1)))
    written.append(pack(Kind.ROWS, 3, 0, 2, ROWS, 0))
    written.flush()
    make_bets_csv(Ledger(draw.segments()), draw.bets_csv)
    directory.release()

    (tree,) = code(section(PAGE, "## The data directory"), "text")
    path: list[str] = []
    for line in tree.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        path[depth:] = [name.strip("/")]
        assert tmp_path.joinpath(*path).exists(), path
    names = {word.strip("/") for word in tree.split() if "/" in word or "." in word}
    real = {each.name for each in tmp_path.rglob("*")}
    assert real <= names | {"lock"}
    modes = {each.stat().st_mode & 0o777 for each in tmp_path.rglob("*")}
    assert modes == {0o700, 0o600}


@pytest.mark.parametrize("tail", [b"", b"LCS1", pack(Kind.ROWS, 3, 2, 1, b"3,x\n", 0)[:-1]])
def test_the_reader_of_the_page(tmp_path: Path, tail: bytes) -> None:
    """The snippet reads a real segment, in 20 lines or so, and stops at a torn tail."""
    (snippet,) = code(section(PAGE, "## Read a segment"), "python")
    assert len(snippet.splitlines()) <= 25
    (tmp_path / "reader.py").write_text(snippet)
    path = tmp_path / "segment-0001.log"
    written = Segment(str(path))
    written.append(pack(Kind.ROWS, 3, 0, 2, ROWS, 0))
    written.flush()
    written.append(pack(Kind.END, 3, 2, 0, bytes(32), written.flushed) + tail)

    read = subprocess.run([sys.executable, "reader.py", path], cwd=tmp_path, capture_output=True)

    assert read.stdout == ROWS
    assert read.stderr.decode() == f"{len(tail)} bytes behind the last valid record\n"
    assert [torn.length for torn in Ledger([path]).torn] == [len(tail)] * bool(tail)


def test_bets_must_follow_each_other(tmp_path: Path) -> None:
    """A gap is damage."""
    path = tmp_path / "segment-0001.log"
    path.write_bytes(pack(Kind.ROWS, 3, 1, 2, ROWS, 0))
    with pytest.raises(DamagedLedger):
        Ledger([path])
