"""``lottery.audit.draw``: a whole draw is in order, or the first difference has its place."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from audit_rig import (
    END,
    HEAD,
    ROWS,
    STATES,
    TODAY,
    WINNING_NUMBER,
    AgencyRig,
    DrawRig,
    SegmentRig,
    a_draw,
    audited,
    record_bytes,
    resealed,
    sealed_json,
    write_draw,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lottery.audit import draw as draw_module
from lottery.audit.differences import Difference
from lottery.audit.draw import audit_draw
from lottery.audit.files import AuditedFile
from lottery.audit.findings import AgencyReport, Unfinished

LEFT_OUT = "left out, it did not come back within 30 s — très tard"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("closed", [True, False])
def test_clean(tmp_path, state, closed) -> None:
    """Every state; a segment without CLOSE is one for whose CLOSE there was no room."""
    rig = a_draw(state, closed=closed)
    report = audited(tmp_path, rig.files(state))
    assert report.difference is None
    assert (report.number, report.state, report.bets) == (1, state, 34)
    assert (report.segments, report.size) == (2, sum(len(each.data) for each in rig.segments))
    assert report.checked[:2] == ("record", "segments")
    assert ("bets.csv" in report.checked) == (state in ("sealed", "drawn", "delivered"))
    assert ("winners.csv" in report.checked) == (state in ("drawn", "delivered"))
    assert report.unfinished == ()


def test_what_is_reported(tmp_path) -> None:
    """Of each agency what there is of it in this state."""
    report = audited(tmp_path / "1", a_draw("delivered").files("delivered"))
    assert (report.winning_number, report.winners) == (WINNING_NUMBER, 3)
    assert report.agencies == (
        AgencyReport(1, False, True, "succeeded", 7, 1, True),
        AgencyReport(2, True, True, "succeeded", 8, 1, False),
        AgencyReport(3, False, True, "succeeded", 9, 1, True),
        AgencyReport(4, False, False, LEFT_OUT, 10, None, None),
    )
    report = audited(tmp_path / "2", a_draw("open").files("open"))
    assert (report.winning_number, report.winners) == (None, None)
    assert report.agencies == (
        AgencyReport(1, False, True, "ended", 7),
        AgencyReport(2, True, True, "ended", 8),
        AgencyReport(3, False, True, "ended", 9),
        AgencyReport(4, False, False, "at work", 10),
    )


def test_draws_with_nothing_in_them(tmp_path) -> None:
    """Nobody came; or somebody came and sent nothing; or nothing wins."""
    assert audited(tmp_path / "1", {}).state == "new"
    assert audited(tmp_path / "2", {"draw.json.tmp": b"{"}).difference is None
    empty = DrawRig(1, [], [])
    for state in ("open", "closing", "void"):
        report = audited(tmp_path / state, empty.files(state))
        assert (report.difference, report.bets) == (None, 0)
    segment = SegmentRig(1, 1)
    everyone = [AgencyRig(0, []), AgencyRig(1, [], classic=True), AgencyRig(9, [], left_out="x")]
    segment.end(0, 0, everyone[0].nonce)
    segment.end(1, 0, b"", 1)
    rig = DrawRig(1, everyone, [segment])
    for state in ("sealed", "drawn", "delivered"):
        report = audited(tmp_path / state, rig.files(state))
        assert (report.difference, report.bets, len(report.agencies)) == (None, 0, 3)


@pytest.mark.parametrize("state", ["open", "closing"])
@pytest.mark.parametrize("length", [0, 1, 39, 40])
def test_segments_that_were_hardly_begun(tmp_path, state, length) -> None:
    """Their writers died before the first write was done, or in it."""
    files = a_draw(state).files(state)
    files["segment-0003.log"] = record_bytes(HEAD, 0, 1, 3)[:length]
    report = audited(tmp_path, files)
    assert report.difference is None
    unfinished = (Unfinished("segment-0003.log", 0, length),) if 0 < length < 40 else ()
    assert report.unfinished == unfinished


def test_every_cut_of_an_open_draw(tmp_path) -> None:
    """Bytes that are cut off, or not written yet, are shown; nothing else is wrong with it."""
    rig = a_draw("open", segments=1, closed=False)
    files = rig.files("open")
    (segment,) = rig.segments
    for length in range(len(segment.data) + 1):
        report = audited(tmp_path, {**files, segment.name: segment.data[:length]})
        begin = max(place for place in [*segment.places, len(segment.data)] if place <= length)
        unfinished = (Unfinished(segment.name, begin, length - begin),) if begin < length else ()
        assert (report.difference, report.unfinished) == (None, unfinished)


def test_every_power_cut_of_an_open_draw(tmp_path) -> None:
    """What was written last is NUL bytes then, until a central has started."""
    rig = a_draw("open", segments=1, closed=False)
    files = rig.files("open")
    (segment,) = rig.segments
    for length in range(0, len(segment.data) - 8, 3):
        nuls = bytes(len(segment.data) - length)
        report = audited(tmp_path, {**files, segment.name: segment.data[:length] + nuls})
        assert report.difference is not None
        assert report.difference.byte == max(p for p in segment.places if p <= length)
        assert "a central salvages that when it starts" in report.difference.what


Files = dict[str, bytes]


def changed(name: str, old: bytes, new: bytes) -> Callable[[Files], None]:
    """Put other bytes in the place of the first that are these."""

    def change(files: Files) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new, 1)

    return change


def with_json(old: str, new: str) -> Callable[[Files], None]:
    """Change the record, whose digest is right again."""

    def change(files: Files) -> None:
        files["draw.json"] = resealed(files["draw.json"], old, new)

    return change


def without(name: str) -> Callable[[Files], None]:
    """Remove a file."""
    return lambda files: files.__delitem__(name)


def exchanged(one: str, other: str) -> Callable[[Files], None]:
    """Exchange two files."""

    def change(files: Files) -> None:
        files[one], files[other] = files[other], files[one]

    return change


def of_draw_2(name: str, state: str) -> Callable[[Files], None]:
    """Put a file of another draw in the place."""
    return lambda files: files.update({name: a_draw(state, number=2).files(state)[name]})


ONE, TWO, BETS, WINNERS, JSON = (
    "segment-0001.log", "segment-0002.log", "bets.csv", "winners.csv", "draw.json",
)  # fmt: skip


@pytest.mark.parametrize(
    ("state", "change", "file", "what"),
    [
        ("sealed", exchanged(ONE, TWO), ONE,
         "this is segment 2 of draw 1, not segment 1 of draw 1"),
        ("open", exchanged(ONE, TWO), ONE, "this is segment 2 of draw 1, not segment 1 of draw 1"),
        ("open", of_draw_2(ONE, "open"), ONE,
         "this is segment 1 of draw 2, not segment 1 of draw 1"),
        ("void", of_draw_2(JSON, "void"), JSON, "this is the record of draw 2"),
        ("sealed", of_draw_2(BETS, "sealed"), BETS, "this is not the row of agency 1 in"),
        ("drawn", of_draw_2(WINNERS, "drawn"), WINNERS, "this is not the row of a winner in"),
        ("drawn", exchanged(BETS, WINNERS), BETS, "this is not the row of agency 1 in"),
        ("drawn", exchanged(BETS, ONE), ONE, "no record begins here, where one should"),
        ("drawn", exchanged(JSON, ONE), JSON, "this is no UTF-8"),
        ("drawn", without(TWO), TWO, "it is missing, and the record names it"),
        ("drawn", without(BETS), BETS, "it is missing, and the draw is drawn"),
        ("drawn", without(JSON), JSON, "it is missing, and segment-0001.log is there"),
        ("open", without(JSON), JSON, "it is missing, and segment-0001.log is there"),
        ("open", without(ONE), ONE, "it is missing, and segment-0002.log is there"),
        ("drawn", lambda files: files.update({"segment-0003.log": b""}), "segment-0003.log",
         "it belongs to nothing, the record does not name it"),
        ("drawn", changed(BETS, b"\n", b""), BETS, "this is not the row of agency 1 in"),
        ("drawn", lambda files: files.update({BETS: files[BETS] + files[BETS][-30:]}), BETS,
         "30 bytes stand behind the last row there can be"),
        ("drawn", lambda files: files.update({BETS: files[BETS][:-1]}), BETS,
         "the file ends here, but there are more rows of agency 4 in segment-0002.log, byte "),
        ("drawn", lambda files: files.update({WINNERS: files[WINNERS][:-1]}), WINNERS,
         "the file ends here, but there are more rows of a winner in bets.csv"),
        ("drawn", lambda files: files.update({ONE: files[ONE][:-40]}), ONE,
         "the file has "),
        ("drawn", lambda files: files.update({ONE: files[ONE][:-1]}), ONE,
         "the file has "),
        ("drawn", lambda files: files.update({ONE: b""}), ONE, "the file has 0 bytes"),
        ("drawn", with_json('"bets": 7,', '"bets": 8,'), JSON, "the agencies have 35 bets"),
        ("void", with_json('"bets": 7,', '"bets": 6,'), JSON,
         '"bets" of agency 1 is 7 in the segments'),
        ("void", with_json('"bets": 7,', '"bets": 8,'), JSON,
         "agency 1 has 8 bets here, 7 in the segments"),
        ("void", with_json('"dialect": "classic"', '"dialect": "lottery/1"'), JSON,
         "agency 2 has another dialect in segment-0001.log, byte "),
        ("closing", with_json('"bets": 7,', '"bets": 6,'), JSON,
         '"bets" of agency 1 is 7 in the segments'),
        ("closing", with_json('"bets": 10,', '"bets": 11,'), JSON,
         "agency 4 has 11 bets here, 10 in the segments"),
        ("closing", with_json('"agency": 4,', '"agency": 5,'), ONE,
         "agency 4 is here, and not in the record"),
        ("sealed", with_json('"agency": 4,', '"agency": 5,'), ONE,
         "agency 4 is here, and not in the record"),
        ("drawn", with_json('"winners": 1,', '"winners": 2,'), JSON, "the agencies have 4 winners"),
        ("drawn", with_json('"winning_number": 7574', '"winning_number": 42'), WINNERS,
         "this is not the row of a winner in bets.csv"),
        ("drawn", with_json("segment-0002.log", "segment-0003.log"), TWO,
         "it belongs to nothing, the record does not name it"),
        ("closing", lambda files: files.update({BETS: b"1,"}), BETS,
         "the file ends here, but there are more rows of agency 1 in segment-0001.log, byte "),
        ("sealed", lambda files: files.update({WINNERS: b"x"}), WINNERS, "this is no row"),
        ("sealed", lambda files: files.update({WINNERS: b"\n"}), WINNERS,
         "1 bytes stand behind the last row there can be"),
    ],
)  # fmt: skip
def test_what_is_found(tmp_path, state, change, file, what) -> None:
    """A file, and what is wrong with it."""
    files = a_draw(state).files(state)
    change(files)
    found = audited(tmp_path, files).difference
    assert found is not None
    assert found.file == file
    assert found.what.startswith(what)


def test_places(tmp_path) -> None:
    """Bytes and lines are those of the file, to the very bit that was changed."""
    rig = a_draw("drawn")
    files = rig.files("drawn")
    for name in (BETS, WINNERS):
        for place in (0, 30, len(files[name]) - 1):
            damaged = bytearray(files[name])
            damaged[place] ^= 1
            line = files[name].count(b"\n", 0, place) + 1
            found = audited(tmp_path, {**files, name: bytes(damaged)}).difference
            assert found is not None
            assert (found.file, found.byte, found.line) == (name, place, line)
    segment = rig.segments[1]
    for begin in segment.places:
        damaged = bytearray(segment.data)
        damaged[begin + 30] ^= 1
        found = audited(tmp_path, {**files, segment.name: bytes(damaged)}).difference
        assert found is not None
        assert (found.file, found.byte) == (segment.name, begin)


def other_members(state: str, change: Callable[[dict], object]) -> dict[str, bytes]:
    """A draw whose record says something else, with a digest that is right."""
    files = a_draw(state).files(state)
    members = json.loads(files[JSON])
    del members["sha256"]
    change(members)
    files[JSON] = sealed_json(members)
    return files


@pytest.mark.parametrize(
    ("state", "part", "changes", "what"),
    [
        ("sealed", 0, {"sha256": "0" * 64}, '"sha256" of agency 1 is '),
        ("sealed", 0, {"crc32": "00000000"}, '"crc32" of agency 1 is '),
        ("closing", 0, {"crc32": "00000000"}, '"crc32" of agency 1 is '),
        ("sealed", 0, {"nonce": "0" * 64}, "agency 1 has another nonce in segment-0002.log, byte "),
        ("closing", 3, {"outcome": "succeeded", "reason": "", "nonce": "0" * 64},
         "agency 4 has succeeded, and its END is in no segment"),
    ],
)  # fmt: skip
def test_parts_that_are_not_so(tmp_path, state, part, changes, what) -> None:
    """What is said of an agency is held against the segments."""
    files = other_members(state, lambda members: members["agencies"][part].update(changes))
    found = audited(tmp_path, files).difference
    assert found is not None
    assert found.file == JSON
    assert found.what.startswith(what)
    key = next(iter(changes))
    assert f'"{key}"' in files[JSON].decode().split("\n")[(found.line or 0) - 1]


def test_an_agency_that_has_ended_is_left_out(tmp_path) -> None:
    """From its END on it has succeeded, whatever becomes of it."""
    left_out = {"outcome": "left_out", "reason": "x", "nonce": ""}
    files = other_members("closing", lambda members: members["agencies"][0].update(left_out))
    rig = a_draw("closing")
    end = next(p for p in rig.segments[1].places if rig.segments[1].data[p + 4] == END)
    what = "agency 1 has ended here, and the record leaves it out"
    assert audited(tmp_path, files).difference == Difference(TWO, what, byte=end)


def test_a_closing_draw_may_know_fewer_bets(tmp_path) -> None:
    """Of an agency that is left out, until it is sealed."""
    files = other_members("closing", lambda members: members["agencies"][3].update(bets=0))
    assert audited(tmp_path, files).difference is None
    files = other_members("void", lambda members: members["agencies"][3].update(bets=0))
    assert audited(tmp_path / "void", files).difference is not None


@pytest.mark.parametrize("state", ["sealed", "drawn", "delivered", "void"])
def test_digests_of_the_record(tmp_path, state) -> None:
    """Each is held against its file."""
    for key in ("bets_csv", "winners_csv"):
        if json.loads(a_draw(state).files(state)[JSON])[key]:
            digest = {"sha256": "0" * 64}
            files = other_members(state, lambda members, k=key, d=digest: members[k].update(d))
            found = audited(tmp_path, files).difference
            assert found is not None
            assert found.what.startswith(f"{key.replace('_', '.')} has ")
    for change, what in (
        ({"sha256": "0" * 64}, "this is not the file that was sealed, see draw.json, line "),
        ({"bytes": 7}, "the file has "),
    ):
        files = other_members(state, lambda members, c=change: members["segments"][1].update(c))
        found = audited(tmp_path, files).difference
        assert found is not None
        assert (found.file, found.what[: len(what)]) == (TWO, what)


def test_a_tail_in_a_sealed_draw(tmp_path) -> None:
    """Nothing is unfinished any more, also if the digests say so."""
    rig = a_draw("sealed", closed=False)
    begin = len(rig.segments[1].data)
    rig.segments[1].data += b"LCS1"
    found = audited(tmp_path, rig.files("sealed")).difference
    assert found == Difference(TWO, "the file ends within a record", byte=begin)


@pytest.mark.parametrize("number", [WINNING_NUMBER, 42])
def test_winners_that_were_not_published(tmp_path, number) -> None:
    """A crash before the record says so leaves them; they are of one number, and all of it."""
    rig = a_draw("sealed")
    files = rig.files("sealed")
    rows = files[BETS].splitlines(keepends=True)
    won = [row for row in rows if row.endswith(b",%04d\n" % number) and row[:2] != b"4,"]
    assert won
    report = audited(tmp_path, {**files, WINNERS: b"".join(won)})
    assert (report.difference, report.winners) == (None, None)
    assert audited(tmp_path, {**files, WINNERS: b""}).difference is None
    for wrong in (won[1:] or [b"1,A,B,1,1999-03-17,8888\n"], [*won, rows[-1]], won[::-1]):
        if wrong != won:
            assert audited(tmp_path, {**files, WINNERS: b"".join(wrong)}).difference is not None


def test_what_a_crash_leaves_of_the_seal(tmp_path) -> None:
    """bets.csv is there and the record does not say so yet; it has to be right all the same."""
    files = a_draw("closing").files("closing")
    files[BETS] = a_draw("sealed").files("sealed")[BETS]
    assert "bets.csv" in audited(tmp_path, files).checked


@pytest.mark.parametrize("name", [JSON, ONE, BETS, WINNERS])
def test_something_else_in_the_place_of_a_file(tmp_path, name) -> None:
    """A directory, a pipe, a link to nowhere or to itself: a sentence each."""
    path = write_draw(tmp_path, 1, a_draw("drawn").files("drawn"))
    for make in (
        os.mkdir,
        os.mkfifo,
        lambda place: os.symlink("nowhere", place),
        lambda place: os.symlink(name, place),
    ):
        (path / name).unlink()
        make(path / name)
        found = audit_draw(path, 1, TODAY).difference
        assert found is not None
        assert found.file == name
        assert found.what.startswith("it ")
        if (path / name).is_dir():
            (path / name).rmdir()
            (path / name).touch()


def test_no_directory(tmp_path) -> None:
    """It cannot be read, and that is all that is known."""
    (tmp_path / "file").touch()
    for name, why in (("file", "Not a directory"), ("missing", "No such file or directory")):
        report = audit_draw(tmp_path / name, 7, TODAY)
        assert report.difference == Difference("", f"the directory cannot be read, {why}")
        assert (report.number, report.state, report.bets, report.checked) == (7, "?", None, ())


def test_a_record_that_is_too_long(tmp_path) -> None:
    """It is not even read."""
    path = write_draw(tmp_path, 1, a_draw("open").files("open"))
    os.truncate(path / JSON, 2**40)
    found = audit_draw(path, 1, TODAY).difference
    assert found == Difference(JSON, f"no record has {2**40} bytes")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(["open", "closing", "drawn"]),
    st.sampled_from([JSON, ONE, TWO, BETS, WINNERS, "x"]),
    st.binary(max_size=100) | st.builds(bytes, st.integers(0, 20_000)),
    st.integers(0, 3000),
)
def test_any_bytes(tmp_path, state, name, data, place) -> None:
    """Whatever stands there, the check ends with what it has found."""
    files = a_draw(state).files(state)
    content = files.get(name, b"")
    files[name] = content[:place] + data + content[place:]
    path = write_draw(tmp_path, 1, files)
    report = audit_draw(path, 1, TODAY)
    if files[name] != content or name not in a_draw(state).files(state):
        assert report.difference is not None
    for entry in path.iterdir():
        entry.unlink()


# A central at work.


class Meanwhile:
    """Something that happens once, when a file is opened."""

    def __init__(self, monkeypatch, name: str, act: Callable[[], object]) -> None:
        meanwhile = self
        self.done = False

        class Opening(AuditedFile):
            def __init__(self, directory: Path, opened: str) -> None:
                if opened == name and not meanwhile.done:
                    meanwhile.done = True
                    act()
                super().__init__(directory, opened)

        monkeypatch.setattr(draw_module, "AuditedFile", Opening)


def test_an_agency_goes_on_in_another_segment(tmp_path, monkeypatch) -> None:
    """What we have passed already grows, and what comes relies on it: no difference, at once."""
    rows = [f"Ana,Paz,{number},1999-03-17,42" for number in range(9)]
    one, two = SegmentRig(1, 1), SegmentRig(1, 2)
    for segment in (one, two):
        segment.flush()
    one.rows(3, 0, rows[:2])
    before = {each.name: each.data for each in (one, two)}
    path = write_draw(tmp_path, 1, DrawRig(1, [], []).files("open") | before)
    one.flush()
    one.rows(3, 2, rows[2:5])
    two.rows(3, 5, rows[5:])
    two.flush()
    two.end(3, 9, bytes(32))

    def act() -> None:
        (path / one.name).write_bytes(one.data)
        (path / two.name).write_bytes(two.data)

    meanwhile = Meanwhile(monkeypatch, two.name, act)
    report = audit_draw(path, 1, TODAY, pause=lambda seconds: pytest.fail("once is enough"))
    assert (meanwhile.done, report.difference, report.bets) == (True, None, 2)
    assert audit_draw(path, 1, TODAY).bets == 9


def test_a_step_is_published_meanwhile(tmp_path, monkeypatch) -> None:
    """What does not fit together is looked at once more, if anything has changed."""
    path = write_draw(tmp_path, 1, a_draw("closing").files("closing"))
    waited: list[float] = []
    Meanwhile(monkeypatch, JSON, lambda: write_draw(tmp_path, 1, a_draw("drawn").files("drawn")))
    report = audit_draw(path, 1, TODAY, pause=waited.append)
    assert (report.difference, report.state) == (None, "drawn")
    assert len(waited) == 1
    assert 0 < waited[0] < 2


def test_a_segment_that_is_cut_back_meanwhile(tmp_path, monkeypatch) -> None:
    """There was no room for all of a group; its agency has gone on elsewhere since."""
    row = "Ana,Paz,1,1999-03-17,42"
    one, two = SegmentRig(1, 1), SegmentRig(1, 2)
    one.flush()
    one.rows(3, 0, [row])
    path = write_draw(
        tmp_path, 1, DrawRig(1, [], []).files("open") | {one.name: one.data, two.name: two.data}
    )
    two.flush()
    two.rows(3, 0, [row])

    def act() -> None:
        (path / one.name).write_bytes(one.data[: one.places[-1]])
        (path / two.name).write_bytes(two.data)

    Meanwhile(monkeypatch, two.name, act)
    report = audit_draw(path, 1, TODAY, pause=lambda seconds: None)
    assert (report.difference, report.bets) == (None, 1)


def test_a_difference_that_stays_while_others_write(tmp_path, monkeypatch) -> None:
    """It is believed after a few times."""
    files = a_draw("open", closed=False).files("open")
    files[ONE] = files[ONE].replace(b"7574", b"7573", 1)
    path = write_draw(tmp_path, 1, files)
    waited: list[float] = []
    real = draw_module.listing

    def listing(place: Path):
        with (path / TWO).open("ab") as file:
            file.write(b"L")
        return real(place)

    monkeypatch.setattr(draw_module, "listing", listing)
    report = audit_draw(path, 1, TODAY, pause=waited.append)
    assert report.difference is not None
    assert report.difference.file == ONE
    assert 0 < len(waited) < 10


def test_records_behind_an_end(tmp_path) -> None:
    """Neither another END nor bets, also if all else about them is right."""
    rig = a_draw("open", closed=False)
    rig.segments[1].flush()
    rig.segments[1].add(record_bytes(END, 1, 7, 0, bytes(32), rig.segments[1].flushed))
    found = audited(tmp_path, rig.files("open")).difference
    assert found is not None
    assert found.what.startswith("agency 1 ends here a second time, see segment-0002.log, byte ")
    rig = a_draw("open", closed=False)
    rig.segments[1].flush()
    body = b"1,Ana,Paz,1,1999-03-17,1\n"
    rig.segments[1].add(record_bytes(ROWS, 1, 7, 1, body, rig.segments[1].flushed))
    found = audited(tmp_path / "2", rig.files("open")).difference
    assert found is not None
    assert found.what.startswith("agency 1 has bets behind its END at byte ")
