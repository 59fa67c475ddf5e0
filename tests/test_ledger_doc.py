"""docs/ledger.md says what the code does: offsets, bytes, and how to read them."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from pages import code, page, section, table

from lottery.audit.draw import audit_draw
from lottery.errors import DamagedLedger
from lottery.ledger import segment
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.index import Ledger
from lottery.ledger.intake import EVERY_SECONDS, MOST_LINES, IntakeLog
from lottery.ledger.reading import SegmentReading
from lottery.ledger.record import (
    DIALECTS,
    FORMAT,
    OUTCOMES,
    STATES,
    AgencyPart,
    DrawRecord,
    encode,
    publish,
    read_record,
)
from lottery.ledger.recovery import recover
from lottery.ledger.seal import draw_number, note_delivered, seal
from lottery.ledger.segment import (
    BODY_LIMIT,
    HEADER_BYTES,
    NONCE_BYTES,
    Kind,
    Segment,
    pack,
    pack_close,
    pack_head,
)

PAGE = page("docs/ledger.md")
ROWS = "3,Ana,López,30904465,1999-03-17,7574\n3,Juan,Paz,24807259,1984-12-01,0042\n".encode()
NONCE = bytes(range(32))
NOON = 1_795_694_400  # 2026-11-26 12:00:00 UTC
RECORDS = [pack_head(1, 1), pack(Kind.ROWS, 3, 0, 2, ROWS, 0)]
RECORDS.append(pack(Kind.END, 3, 2, 0, NONCE, len(b"".join(RECORDS))))
RECORDS.append(pack_close(len(b"".join(RECORDS))))
WHOLE = b"".join(RECORDS)


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
    record = pack(
        Kind.END, 0x01020304, 0x1112131415161718, 0x21222324, b"body", 0x3132333435363738, True
    )
    values = [
        int.from_bytes(record[offset : offset + size], "big") for offset, size, _ in header_table()
    ]
    crc = values.pop()
    assert values == [
        int.from_bytes(segment.MAGIC, "big"),
        *(Kind.END, 1, 0, 0x01020304, 0x1112131415161718, 0x21222324, 4, 0x3132333435363738),
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


def test_kinds_and_limits() -> None:
    """All kinds are named with their numbers, and the limits are those of the code."""
    what = next(what for offset, _, what in header_table() if offset == 4)
    assert what == "kind: " + ", ".join(f"{kind:d} {kind.name}" for kind in Kind)
    for kind in Kind:
        assert f"**{kind.name}** (kind {kind:d})" in PAGE
    assert PAGE.count(f"{BODY_LIMIT:,} bytes") == 2
    assert f"its {NONCE_BYTES} random bytes" in PAGE


def test_the_segment_in_hex(tmp_path: Path) -> None:
    """The worked segment is what the code writes, and reads."""
    (text,) = code(section(PAGE, "### A segment in hex"), "hex")
    data = bytes.fromhex("".join(line.partition(";")[0] for line in text.splitlines()))
    path = tmp_path / "segment-0001.log"
    written = Segment(str(path), 1, 1)
    written.append(RECORDS[1])
    written.flush()
    written.append(pack(Kind.END, 3, 2, 0, NONCE, written.flushed))
    written.flush()
    written.close()
    assert data == path.read_bytes() == WHOLE
    reading = SegmentReading(path, 1, 1)
    assert [body for _, body in reading] == [ROWS, NONCE]
    assert reading.closed


@pytest.fixture
def finished(tmp_path: Path) -> DrawDirectory:
    """The draw of the page, which has come to its end."""
    data = DataDirectory(tmp_path / "lottery-data")
    data.own()
    draw = data.new_draw(2)
    draw.segment(1).write_bytes(WHOLE)
    draw.segment(1).chmod(0o600)
    intake = IntakeLog(draw.intake_csv)
    assert intake.note(NOON, 2)
    parts = (
        AgencyPart(3, "lottery/1", "succeeded", "", 2, 0x642A8C10),
        AgencyPart(9, "lottery/1", "left_out", "it did not come back"),
    )
    record = seal(draw, DrawRecord(1, "closing", 2, parts))
    note_delivered(draw, draw_number(draw, record, 7574), [3])
    data.release()
    return draw


def test_the_tree(tmp_path: Path, finished: DrawDirectory) -> None:
    """The files of a data directory are those of the page."""
    (tree,) = code(section(PAGE, "## The data directory"), "text")
    path: list[str] = []
    for line in tree.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        path[depth:] = [name.strip("/")]
        assert tmp_path.joinpath(*path).exists(), path
    names = {line.split()[0].strip("/") for line in tree.splitlines()}
    real = {each.name for each in tmp_path.rglob("*")}
    assert real == names
    modes = {each.stat().st_mode & 0o777 for each in tmp_path.rglob("*")}
    assert modes == {0o700, 0o600}


def test_the_record_of_the_page(finished: DrawDirectory, tmp_path: Path) -> None:
    """The example is, to the byte, what is published of the segment in hex."""
    (text,) = code(section(PAGE, "## The draw's record"), "json")
    assert finished.record.read_text("utf-8") == text
    assert finished.winners_csv.read_bytes() == ROWS[: ROWS.index(b"\n") + 1]
    head, _, last = text.rpartition('  "sha256": ')
    assert last == f'"{hashlib.sha256(head.encode()).hexdigest()}"\n}}\n'
    # A record that is written by hand, with the last two lines that belong to it, is one.
    (tmp_path / "draw.json").write_text(text)
    assert encode(read_record(tmp_path / "draw.json")) == text.encode()


def test_the_members_of_the_record(finished: DrawDirectory) -> None:
    """Every member and every state is named, and all that the page names is there."""
    text = section(PAGE, "## The draw's record")
    members = json.loads(finished.record.read_bytes())
    known = set(members) | set(members["agencies"][0]) | set(members["segments"][0])
    known |= set(members["bets_csv"])
    rows = table(text, "member", "what")
    for names, _ in rows:
        assert set(re.findall(r"`(\w+)`", names)) <= known
    states = table(text, "state", "what is so", "what is new in the record")
    assert [state.strip("`") for state, _, _ in states] == list(STATES)
    for _, _, new in states:
        words = set(re.findall(r"`(\w+)`", new)) - set(STATES)
        assert words <= known
    assert f"`{FORMAT}`" in text
    for word in (*DIALECTS, *OUTCOMES):
        assert f"`{word}`" in text


def read(directory: Path, data: bytes) -> tuple[bytes, str]:
    """Read a segment with the program of the page; gives its rows and what it says."""
    (snippet,) = code(section(PAGE, "### Read a segment"), "python")
    assert len(snippet.splitlines()) <= 50
    (directory / "reader.py").write_text(snippet)
    path = directory / "segment-0001.log"
    path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "reader.py", path], cwd=directory, capture_output=True, check=True
    )
    return done.stdout, done.stderr.decode()


@pytest.mark.parametrize(
    ("data", "rows", "said"),
    [
        (WHOLE, ROWS, "closed"),
        (WHOLE[:-40], ROWS, "open"),
        (WHOLE[:154], ROWS, "open"),
        (WHOLE[:-1], ROWS, "39 bytes of a torn tail"),
        (WHOLE[:160], ROWS, "6 bytes of a torn tail"),
        (WHOLE[:153], b"", "113 bytes of a torn tail"),
        (WHOLE[:39], b"", "39 bytes of a torn tail"),
        (b"", b"", "open"),
        (WHOLE[:154] + bytes(500), ROWS, "500 bytes of a torn tail"),
        (WHOLE[:154] + b"x" + RECORDS[2], ROWS, "73 bytes of a torn tail"),
        (WHOLE + b"\0", ROWS, "damaged at byte 266"),
        (WHOLE[:100] + b"\0" + WHOLE[101:], b"", "damaged at byte 40"),
        (WHOLE[:3] + b"\0" + WHOLE[4:], b"", "damaged at byte 0"),
    ],
)
def test_the_reader_of_the_page(tmp_path: Path, data: bytes, rows: bytes, said: str) -> None:
    """It finds what the code finds: rows, torn tails and damage, with their places."""
    assert read(tmp_path, data) == (rows, f"{said}\n")
    reading = SegmentReading(tmp_path / "segment-0001.log", 1, 1)
    if said.startswith("damaged"):
        with pytest.raises(DamagedLedger, match=said):
            list(reading)
        return
    assert b"".join(body for record, body in reading if record.kind == Kind.ROWS) == rows
    if reading.tail:
        assert said == f"{reading.tail.length} bytes of a torn tail"
    else:
        assert said == ("closed" if reading.closed else "open")


def test_the_line_of_an_intake(tmp_path: Path) -> None:
    """The example is what is written, and the rules have the figures of the code."""
    text = section(PAGE, "## `intake.csv`")
    (example,) = code(text, "text")
    log = IntakeLog(tmp_path / "intake.csv")
    assert log.note(NOON + 10, 1343)
    assert (tmp_path / "intake.csv").read_text() == example
    assert f"at most every {EVERY_SECONDS:.0f} seconds" in text
    assert f"at most {MOST_LINES:,} lines" in text


INTAKES = {
    "more than 8 MiB, or no file": (b"\0" * ((8 << 20) + 1), None, None),
    "a moment or a count below": (b"2026-11-26T12:00:10Z,1\n2026-11-26T12:00:20Z,0\n", 2, 23),
    "more than 100,000 lines": (b"2026-11-26T12:00:10Z,1\n" * 100_001, 100_001, 2_300_000),
    "more bets than the segments hold": (b"2026-11-26T12:00:10Z,3\n", 1, None),
}


@pytest.mark.parametrize("number", range(len(INTAKES)))
def test_differences_of_an_intake(finished: DrawDirectory, number: int) -> None:
    """Each row of the table is found, where it says; and it is all that is wrong."""
    rows = table(section(PAGE, "## `intake.csv`"), "what", "found at")
    assert len(rows) == len(INTAKES)
    begin, (content, line, byte) = list(INTAKES.items())[number]
    assert rows[number][0].startswith(begin)
    today = date(2026, 11, 26)
    assert audit_draw(finished.path, 1, today).difference is None
    finished.intake_csv.write_bytes(content)
    found = audit_draw(finished.path, 1, today).difference
    assert found is not None
    assert (found.file, found.line, found.byte) == ("intake.csv", line, byte)
    finished.intake_csv.unlink()
    assert audit_draw(finished.path, 1, today).difference is None


def at_once(draw: int, number: int, flushed: int) -> bytes:
    """A record by hand: a HEAD with any ``flushed``."""
    head = struct.pack(">4sBBHIQIIQ", b"LCS1", 3, 0, 0, 0, draw, number, 0, flushed)
    return head + segment.crc32(head).to_bytes(4, "big")


OPEN = WHOLE[:154]
DAMAGES = {
    "no record checks out at a place below": ([WHOLE[:50] + b"\xff" + WHOLE[51:]], 1, 40),
    "bytes behind a CLOSE": ([WHOLE + b"LCS1"], 1, 266),
    "no HEAD of this draw and this segment": ([at_once(2, 1, 0) + WHOLE[40:]], 1, 0),
    "a record that checks out and may not stand there": ([OPEN + at_once(1, 1, 0)], 1, 154),
    "an agency's bets that do not follow each other": (
        [OPEN, pack_head(1, 2) + pack(Kind.ROWS, 3, 3, 1, ROWS[:38], 0)],
        2,
        40,
    ),
    "an END of another total": ([OPEN + pack(Kind.END, 3, 1, 0, NONCE, 0)], 1, 154),
    "a record of an agency behind its END": ([WHOLE[:226] + RECORDS[2]], 1, 226),
}


@pytest.mark.parametrize("number", range(len(DAMAGES)))
def test_damages(tmp_path: Path, number: int) -> None:
    """Each row of the table of damages is damage, where it says."""
    rows = table(section(PAGE, "## Torn tails and damage"), "what", "damaged at")
    assert len(rows) == len(DAMAGES)
    begin, (contents, segment_number, offset) = list(DAMAGES.items())[number]
    assert rows[number][0].startswith(begin)
    draw = DrawDirectory(1, tmp_path)
    for at, content in enumerate(contents, 1):
        draw.segment(at).write_bytes(content)
    with pytest.raises(DamagedLedger) as error:
        Ledger(draw)
    assert (error.value.path, error.value.offset) == (str(draw.segment(segment_number)), offset)


def test_start_up(tmp_path: Path) -> None:
    """An open draw: where its agency goes on, and closed segments, once and twice."""
    data = DataDirectory(tmp_path / "lottery-data")
    data.own()
    draw = data.new_draw(2)
    draw.segment(1).write_bytes(WHOLE[:-17])
    for _ in range(2):
        (found,) = recover(data, 2)
        assert found.standings[3][:3] == (2, 0x642A8C10, True)
        assert draw.segment(1).read_bytes() == WHOLE
    publish(DrawRecord(1, "void", 2), draw.record)
    assert recover(data, 2) == []
    data.release()
