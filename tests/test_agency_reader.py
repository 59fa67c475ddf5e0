"""The reader: any chunks give the same batches, and every fault has its line."""

from __future__ import annotations

import csv
import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import TODAY, batch, row_lists

from lottery import bets
from lottery.agency.failures import BadInput, BadRow
from lottery.agency.reader import LINE_LIMIT_BYTES, BatchReader, FileBatch

ROW = b"Santiago Lionel,Lorca,30904465,1999-03-17,2201\n"
OTHER = "Ana María,Ñandú,1,2000-02-29,0042\n".encode()
FAR = b"Santiago Lionel,Lorca,30904465,2999-03-17,2201\n"


def _read(
    data: bytes, *, cuts: tuple[int, ...] = (), batch_size: int = 100, rows_limit: int = 8179
) -> list[FileBatch]:
    """All batches of a file that arrives in pieces; raises what the reader raises."""
    reader = BatchReader("bets.csv", batch_size, TODAY, rows_limit_bytes=rows_limit)
    return _drain(reader, data, cuts)


def _drain(reader: BatchReader, data: bytes, cuts: tuple[int, ...] = ()) -> list[FileBatch]:
    batches = []
    edges = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    for start, end in pairwise(edges):
        reader.feed(data[start:end])
        while cut := reader.next_batch():
            batches.append(cut)
    reader.finish()
    while cut := reader.next_batch():
        batches.append(cut)
    return batches


def _rows(batches: list[FileBatch]) -> bytes:
    return b"".join(cut.rows for cut in batches)


def _fault(data: bytes, cuts: tuple[int, ...] = ()) -> BadRow:
    with pytest.raises(BadInput) as caught:
        _read(data, cuts=cuts)
    return caught.value.row


def _skipping(data: bytes, cuts: tuple[int, ...] = ()) -> tuple[list[FileBatch], list[BadRow]]:
    skipped: list[BadRow] = []
    reader = BatchReader("bets.csv", 2, TODAY, skip_bad=True, skipped=skipped.append)
    return _drain(reader, data, cuts), skipped


class TestBatches:
    """How rows become batches."""

    def test_rows_travel_as_they_stand(self) -> None:
        """A plain file is sent byte for byte."""
        (only,) = _read(ROW + OTHER)

        assert only == FileBatch(ROW + OTHER, [1, 2])
        assert only.count == 2

    def test_batch_size_is_the_most(self) -> None:
        """Batches are full but for the last."""
        assert [cut.count for cut in _read(ROW * 7, batch_size=3)] == [3, 3, 1]

    def test_finished(self) -> None:
        """Whether there may be more is known."""
        reader = BatchReader("bets.csv", 2, TODAY)
        reader.feed(ROW)
        assert not reader.finished
        reader.finish()
        assert reader.finished

    def test_full_batches_do_not_wait(self) -> None:
        """A batch that is full is there before the file ends."""
        reader = BatchReader("bets.csv", 2, TODAY)
        reader.feed(ROW * 2)

        assert reader.next_batch() == FileBatch(ROW * 2, [1, 2])
        assert reader.next_batch() is None

    def test_bytes_are_bounded(self) -> None:
        """Whatever the batch size, a batch fits its frame, and none is smaller than it must be."""
        batches = _read(ROW * 1000, batch_size=65535)

        assert max(len(cut.rows) for cut in batches) <= 8179
        assert [cut.count for cut in batches[:-1]] == [8179 // len(ROW)] * (len(batches) - 1)
        assert _rows(batches) == ROW * 1000

    def test_exact_fit(self) -> None:
        """A batch may fill its limit to the byte."""
        limit = len(ROW) * 30

        assert [cut.count for cut in _read(ROW * 60, rows_limit=limit)] == [30, 30]
        assert [cut.count for cut in _read(ROW * 60, rows_limit=limit - 1)] == [29, 29, 2]

    def test_longest_row_fits(self) -> None:
        """The longest row that the rules allow fits the smallest limit."""
        name = "\U00020000" * 64
        row = f"{name},{name},123456789012345,2000-01-01,9999\n".encode()

        assert _rows(_read(row * 3, rows_limit=1024)) == row * 3

    def test_limits_have_sense(self) -> None:
        """A batch without room for a row is a bug of the caller."""
        with pytest.raises(ValueError, match="room for a row"):
            BatchReader("bets.csv", 0, TODAY)
        with pytest.raises(ValueError, match="room for a row"):
            BatchReader("bets.csv", 1, TODAY, rows_limit_bytes=100)


class TestForms:
    """What a file may look like without being wrong."""

    @pytest.mark.parametrize(
        "data",
        [
            ROW + OTHER,
            (ROW + OTHER)[:-1],
            (ROW + OTHER).replace(b"\n", b"\r\n"),
            (ROW + OTHER).replace(b"\n", b"\r\n")[:-1],
            ROW[:-1] + b"\r\n" + OTHER,
            b"\xef\xbb\xbf" + ROW + OTHER,
            ROW + OTHER + b"\n",
            ROW + OTHER + b"\r\n",
            ROW + OTHER + b"\n\r\n\n",
            b'"Santiago Lionel","Lorca","30904465","1999-03-17","2201"\n' + OTHER,
            b'\xef\xbb\xbf"Santiago Lionel",Lorca,30904465,1999-03-17,"2201"\r\n' + OTHER,
        ],
    )
    def test_same_rows(self, data: bytes) -> None:
        """Marks, line ends, quotes and an empty last line change nothing, in any chunks."""
        for cuts in [(), tuple(range(len(data))), *((cut,) for cut in range(len(data)))]:
            assert _rows(_read(data, cuts=cuts)) == ROW + OTHER

    def test_common_rows_are_checked_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is common is not gone through row by row."""
        monkeypatch.setattr(bets, "fault_of", None)

        assert _rows(_read((ROW + OTHER) * 1000)) == (ROW + OTHER) * 1000

    @pytest.mark.parametrize(
        "row",
        ["金,王,1,2000-01-01,1\n", f"Ana,Gil,1,{TODAY},1\n", "Ana,O\u2019Neil,1,2000-01-01,1\n"],
    )
    def test_uncommon_rows(self, row: str) -> None:
        """A bet that is valid and not common is sent like every other one."""
        data = ROW + row.encode() + OTHER
        for cuts in [(), tuple(range(len(data)))]:
            assert _read(data, cuts=cuts) == [FileBatch(data, [1, 2, 3])]

    @pytest.mark.parametrize("data", [b"", b"\n", b"\r\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
    def test_no_bets(self, data: bytes) -> None:
        """A file may be empty."""
        assert _read(data) == []


class TestFaults:
    """What is wrong is told with its line, and nothing of its batch is given."""

    @pytest.mark.parametrize(
        ("bad", "field", "reason"),
        [
            (FAR, "birthdate", "must be from 1900-01-01"),
            (b"Ana,Gil,1,2000-01-01\n", "", "must have 5 columns, not 4"),
            (b"Ana,Gil,1,2000-01-01,1,\n", "", "must have 5 columns, not 6"),
            (b"nombre,apellido,documento,nacimiento,numero\n", "document", "holds U+"),
            (b"\n", "", "is empty, only the last line may be"),
            (b" \n", "", "must have 5 columns, not 1"),
            (b'Ana"x,Gil,1,2000-01-01,1\n', "first_name", "holds U+0022"),
            (b'"Ana,Gil,1,2000-01-01,1\n', "", "has a quote that is not closed"),
            (b'"Ana"x,Gil,1,2000-01-01,1\n', "", "has a quote that is not closed"),
            (b'"O""Neil",Gil,1,2000-01-01,1\n', "first_name", "holds U+0022"),
            (b'"Gil, Jr",Gil,1,2000-01-01,1\n', "first_name", "holds U+002C"),
            (b"Ana,Gil\xf3n,1,2000-01-01,1\n", "last_name", "is not UTF-8 at byte 8 of the line"),
            (b",,,,,\xff\n", "", "is not UTF-8 at byte 6"),
            (b"A\x00n\x00\n", "", "holds U+0000, is the file in UTF-16?"),
            (b"Ana,Gil\r,1,2000-01-01,1\n", "last_name", "holds U+000D"),
            (b"Ana,Gil,1,2000-01-01,1\r\r\n", "number", "holds U+000D"),
            (b"Ana,Gil\xe2\x80\xa8,1,2000-01-01,1\n", "last_name", "holds U+2028"),
            (b"x" * (LINE_LIMIT_BYTES + 1) + b"\n", "", "is longer than 8192 bytes"),
        ],
    )
    def test_line_field_and_reason(self, bad: bytes, field: str, reason: str) -> None:
        """The same fault whatever the chunks; a stray quote swallows no later line."""
        data = ROW * 2 + bad + OTHER
        for cuts in [(), tuple(range(len(data))), (len(ROW) * 2 + len(bad),), (50, 95, 100)]:
            row = _fault(data, cuts)

            assert (row.file, row.line, row.field) == ("bets.csv", 3, field)
            assert row.reason.startswith(reason)

    def test_batches_before_the_fault(self) -> None:
        """Whole batches before the bad row are given, the rows of its own batch are not."""
        reader = BatchReader("bets.csv", 2, TODAY)
        reader.feed(ROW * 3 + FAR + ROW * 10)
        reader.finish()

        assert reader.next_batch() == FileBatch(ROW * 2, [1, 2])
        with pytest.raises(BadInput, match=r"^bets.csv line 4, birthdate must be from 1900"):
            reader.next_batch()
        reader.feed(ROW * 10)
        with pytest.raises(BadInput, match="line 4"):
            reader.next_batch()

    def test_first_fault_counts(self) -> None:
        """Whatever else is wrong with what follows it."""
        assert _fault(ROW + FAR + b"x" * (LINE_LIMIT_BYTES + 2)).line == 2

    def test_last_line_without_end(self) -> None:
        """A fault in a last line that has no LF is found, too."""
        assert _fault(ROW + FAR[:-1]).line == 2

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
    def test_utf_16(self, encoding: str) -> None:
        """Another encoding is named."""
        text = ("\ufeff" if encoding == "utf-16-be" else "") + ROW.decode()
        data = text.encode(encoding)
        row = _fault(data) if encoding != "utf-32" else _fault(data, (1, 2))

        assert (row.line, row.reason) == (1, "is in UTF-16 or UTF-32, save the file as UTF-8")

    @pytest.mark.parametrize(
        "data",
        [
            (ROW * 2).replace(b"\n", b"\r"),
            (ROW * 2).replace(b"\n", b"\r")[:-1],
            (ROW * 1000).replace(b"\n", b"\r"),
            (ROW * 1000).replace(b"\n", b"\r") + b"\n",
            b"\xef\xbb\xbf" + (ROW * 2).replace(b"\n", b"\r"),
            b"\r\r",
        ],
    )
    @pytest.mark.parametrize("skip_bad", [False, True])
    def test_line_ends_of_old(self, data: bytes, skip_bad: bool) -> None:
        """CR alone ends no line; such a file is refused as a whole, whatever may be left out."""
        for cuts in [(), tuple(range(0, len(data), 40)), (8200,), (len(data) - 1,)]:
            reader = BatchReader("bets.csv", 2, TODAY, skip_bad=skip_bad)
            with pytest.raises(BadInput) as caught:
                _drain(reader, data, cuts)

            assert str(caught.value) == "bets.csv has CR line ends, save it with LF or CRLF"

    def test_one_line_with_a_cr(self) -> None:
        """A CR behind the only line is a part of its end."""
        assert _rows(_read(ROW[:-1] + b"\r")) == ROW

    def test_two_bytes_of_utf_16(self) -> None:
        """A file that is nothing but the mark is refused, not taken as empty."""
        assert "UTF-16" in _fault(b"\xff\xfe").reason

    def test_no_line_ends(self) -> None:
        """A file that is no text is refused after little more than the limit."""
        reader = BatchReader("zero", 10, TODAY, skip_bad=True)
        reader.feed(ROW)
        reader.feed(bytes(LINE_LIMIT_BYTES + 2))

        with pytest.raises(BadInput, match="zero line 2 is longer than 8192 bytes"):
            reader.next_batch()

    def test_the_file_as_a_whole(self) -> None:
        """A fault of no line is told without one."""
        assert str(BadInput(BadRow("x.csv", 0, "", "cannot be read"))) == "x.csv cannot be read"


class TestSkipping:
    """Bad rows may be left out."""

    def test_rows_are_left_out_and_told(self) -> None:
        """Each bad row is told once; the others keep their order and their lines."""
        data = ROW + FAR + b"\n\n" + OTHER + b'"\n' + ROW + b"\xff\n\n"
        for cuts in [(), tuple(range(len(data)))]:
            batches, skipped = _skipping(data, cuts)

            assert batches == [FileBatch(ROW + OTHER, [1, 5]), FileBatch(ROW, [7])]
            assert [row.line for row in skipped] == [2, 3, 4, 6, 8]

    def test_other_encodings_are_not_skipped(self) -> None:
        """A file of which no row can be read is refused."""
        with pytest.raises(BadInput, match="UTF-16"):
            _skipping(ROW.decode().encode("utf-16"))

    def test_nobody_need_be_told(self) -> None:
        """Telling is optional."""
        reader = BatchReader("bets.csv", 2, TODAY, skip_bad=True)

        assert _rows(_drain(reader, FAR + ROW)) == ROW


LINES = st.sampled_from(
    [
        ROW,
        OTHER,
        ROW[:-1] + b"\r\n",
        b'"Ana","Gil",1,2000-01-01,1\n',
        b"\n",
        FAR,
        b'"\n',
        b"\xff\n",
        b"x" * LINE_LIMIT_BYTES + b"\r\n",
    ]
)


@given(
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(LINES, max_size=12),
    st.sampled_from([b"", ROW[:-1], b"\r"]),
    st.lists(st.integers(0, 700), max_size=8),
)
def test_chunks_change_nothing(
    mark: bytes, lines: list[bytes], last: bytes, cuts: list[int]
) -> None:
    """Any chunks give the same batches and the same rows left out."""
    data = mark + b"".join(lines) + last

    assert _skipping(data, tuple(cuts)) == _skipping(data)


@given(st.lists(st.integers(0, 3 * len(ROW)), max_size=6), st.integers(1, 4))
def test_faults_do_not_depend_on_chunks(cuts: list[int], batch_size: int) -> None:
    """What is given before a fault is the same in any chunks."""
    data = ROW * 3 + FAR + ROW

    def given_before(cuts: tuple[int, ...]) -> list[FileBatch | None]:
        reader = BatchReader("bets.csv", batch_size, TODAY)
        batches: list[FileBatch | None] = []
        edges = [0, *sorted(cuts), len(data)]
        for start, end in pairwise(edges):
            reader.feed(data[start:end])
        reader.finish()
        with pytest.raises(BadInput, match="line 4"):
            batches.extend(iter(reader.next_batch, None))
        return batches

    assert given_before(tuple(cuts)) == given_before(())


@given(row_lists(), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_what_csv_writes_is_read_back(rows: list[str], quoting: int) -> None:
    """Files of other programs hold the same rows for us."""
    file = io.StringIO(newline="")
    csv.writer(file, quoting=quoting).writerows(row.split(",") for row in rows)
    batches = _read(file.getvalue().encode())

    assert _rows(batches).decode() == batch(rows, "\n")
