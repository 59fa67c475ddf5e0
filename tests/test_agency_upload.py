"""Where in its file an agency is, whatever the central says it has of it."""

from __future__ import annotations

from zlib import crc32

import pytest
from agency_rig import ListedFile, file_batch
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from lottery.agency.bets_file import unguarded
from lottery.agency.failures import OtherFile
from lottery.agency.reader import FileBatch
from lottery.agency.upload import Upload
from lottery.errors import Code, RemoteProtocolError
from lottery.wire.messages import Batch, DrawState, Welcome

ROWS = [f"Ana,Gil,{document},2000-01-01,7\n".encode() for document in range(1, 13)]


def rows(first: int, end: int) -> bytes:
    """The rows from one index up to another one."""
    return b"".join(ROWS[first:end])


def upload_of(*sizes: int) -> Upload:
    """An upload of a file that is cut into batches of so many rows."""
    batches, first = [], 0
    for size in sizes:
        batches.append(file_batch(rows(first, first + size), first + 1))
        first += size
    return Upload("bets.csv", ListedFile(*batches))  # type: ignore[arg-type]


def now(coroutine) -> object:
    """What a coroutine that need not wait gives, or what it raises."""
    results: list[object] = []
    Deferred.fromCoroutine(coroutine).addBoth(results.append)
    (result,) = results
    if isinstance(result, Failure):
        result.raiseException()
    return result


def fill(upload: Upload) -> bool:
    """Have a batch ready."""
    return bool(now(upload.fill(unguarded)))


def send(upload: Upload, most: int = 100) -> list[Batch]:
    """Send so many batches."""
    sent = []
    while len(sent) < most and fill(upload):
        sent.append(upload.take())
    return sent


def welcome(
    next_index: int, *, crc: int | None = None, ended: bool = False, stored: bytes | None = None
) -> Welcome:
    """A WELCOME of draw 3, by default of a central that has the first rows of the file."""
    crc = crc32(rows(0, next_index) if stored is None else stored) if crc is None else crc
    return Welcome(3, DrawState.OPEN, ended, next_index, crc, 8192, 60)


def go_on(upload: Upload, welcome: Welcome) -> None:
    """Begin a session."""
    upload.welcomed(welcome)
    now(upload.go_on(welcome, unguarded))


class TestSending:
    """Batches in order, with their indices."""

    def test_in_order(self) -> None:
        """Each begins where the one before it ends."""
        upload = upload_of(2, 3, 1)

        assert send(upload) == [
            Batch(0, 2, rows(0, 2)), Batch(2, 3, rows(2, 5)), Batch(5, 1, rows(5, 6)),
        ]  # fmt: skip
        assert (upload.sent, upload.on_the_way, upload.acknowledged) == (6, 3, 0)
        assert not fill(upload)

    def test_begun(self) -> None:
        """What is read is not yet sent."""
        upload = upload_of(2)
        assert fill(upload)
        assert fill(upload)
        assert (upload.begun, upload.sent) == (False, 0)
        upload.take()

        assert (upload.begun, upload.sent) == (True, 2)

    def test_acknowledged(self) -> None:
        """What is acknowledged is not on the way any more."""
        upload = upload_of(2, 3, 1)
        send(upload)
        assert not upload.is_stored
        upload.acknowledge(5)
        upload.acknowledge(5)

        assert (upload.sent, upload.on_the_way, upload.acknowledged) == (6, 1, 5)
        assert upload.is_stored

    @pytest.mark.parametrize("next_index", [0, 1, 3, 4, 6, 7])
    def test_impossible_acknowledgement(self, next_index: int) -> None:
        """None goes back, ahead, or covers a part of a batch."""
        upload = upload_of(2, 3, 1)
        send(upload, 2)
        upload.acknowledge(2)
        with pytest.raises(RemoteProtocolError) as caught:
            upload.acknowledge(next_index)

        assert caught.value.code is Code.SEQ

    def test_lines(self) -> None:
        """A row of a batch on the way is found in the file, also behind rows left out."""
        file = ListedFile(FileBatch(rows(0, 2), [1, 2]), FileBatch(rows(2, 4), [5, 9]))
        upload = Upload("bets.csv", file)  # type: ignore[arg-type]
        send(upload)

        assert [upload.line_of(2, row) for row in range(4)] == [0, 5, 9, 0]
        assert upload.line_of(1, 1) == 0
        upload.acknowledge(4)
        assert upload.line_of(2, 1) == 0


class TestSendingAgain:
    """The central has not stored what was on the way."""

    @pytest.mark.parametrize(
        ("expected", "sizes"), [(0, [2, 3, 1]), (2, [3, 1]), (5, [1]), (6, [])]
    )
    def test_from_any_border(self, expected: int, sizes: list[int]) -> None:
        """Everything from there on is sent again, and then what follows."""
        upload = upload_of(2, 3, 1, 2)
        send(upload, 3)
        assert fill(upload)
        upload.send_again_from(expected)
        assert (upload.sent, upload.on_the_way, upload.acknowledged) == (expected, 0, expected)

        assert [batch.count for batch in send(upload)] == [*sizes, 2]

    def test_twice(self) -> None:
        """Also a second time, when only some of it was sent again."""
        upload = upload_of(2, 3, 1)
        send(upload)
        upload.send_again_from(0)
        send(upload, 1)
        upload.send_again_from(2)

        assert [batch.first for batch in send(upload)] == [2, 5]

    @pytest.mark.parametrize("expected", [1, 4, 7])
    def test_impossible(self, expected: int) -> None:
        """As for an acknowledgement."""
        upload = upload_of(2, 3, 1)
        send(upload)
        with pytest.raises(RemoteProtocolError):
            upload.send_again_from(expected)


class TestGoingOn:
    """The next session begins where the central stands."""

    @pytest.mark.parametrize("sent", range(5))
    @pytest.mark.parametrize("next_index", range(7))
    def test_anywhere(self, sent: int, next_index: int) -> None:
        """Also in the middle of a batch, and beyond what this process has sent."""
        upload = upload_of(2, 3, 1)
        send(upload, sent)
        go_on(upload, welcome(next_index))
        again = send(upload)

        assert b"".join(batch.rows for batch in again) == rows(next_index, 6)
        assert [batch.first for batch in again] == sorted(
            {index for index in (next_index, 2, 5) if next_index <= index < 6}
        )
        assert all(batch.count == batch.rows.count(b"\n") for batch in again)
        assert upload.acknowledged == next_index

    def test_lines_of_a_divided_batch(self) -> None:
        """A row keeps its line when its batch is cut."""
        upload = upload_of(4)
        go_on(upload, welcome(3))
        send(upload)

        assert upload.line_of(3, 1) == 4

    def test_again_and_again(self) -> None:
        """Any number of sessions."""
        upload = upload_of(5, 5)
        for next_index in (1, 1, 3, 7, 9):
            go_on(upload, welcome(next_index))
            send(upload)
        upload.acknowledge(10)
        go_on(upload, welcome(10))

        assert send(upload) == []

    @pytest.mark.parametrize("sent", [0, 2])
    def test_changed_row(self, sent: int) -> None:
        """Rows that are stored must be those of the file."""
        upload = upload_of(2, 3, 1)
        send(upload, sent)
        with pytest.raises(OtherFile) as caught:
            go_on(upload, welcome(4, stored=rows(0, 3) + rows(4, 5)))

        assert str(caught.value) == (
            "bets.csv is not the file that was begun with, "
            "rows 1 to 4 differ in sum from those that draw 3 holds"
        )

    def test_sum_of_nothing(self) -> None:
        """Nothing has no sum."""
        with pytest.raises(OtherFile, match="rows 1 to 0 differ"):
            go_on(upload_of(2), welcome(0, crc=1))

    def test_shorter_file(self) -> None:
        """A file that has less than is stored is another one."""
        with pytest.raises(OtherFile) as caught:
            go_on(upload_of(2, 2), welcome(5))

        assert str(caught.value) == (
            "bets.csv is not the file that was begun with, it has 4 rows and draw 3 holds 5"
        )

    def test_ended(self) -> None:
        """With its END stored the file has to end there, too."""
        upload = upload_of(2, 3)
        go_on(upload, welcome(5, ended=True))
        assert upload.ended
        assert upload.is_stored
        assert send(upload) == []
        longer = upload_of(2, 3, 1)
        with pytest.raises(OtherFile) as caught:
            go_on(longer, welcome(5, ended=True))

        assert str(caught.value) == (
            "bets.csv is not the file that was begun with, "
            "it has more than the 5 rows with which it ended in draw 3"
        )

    def test_central_has_lost_bets(self) -> None:
        """A central that has less than it acknowledged has lost something."""
        upload = upload_of(2, 3)
        send(upload)
        upload.acknowledge(5)
        with pytest.raises(RemoteProtocolError) as caught:
            upload.welcomed(welcome(2))

        assert caught.value.code is Code.SEQ
        assert str(caught.value) == (
            "the central has lost bets, it acknowledged 5 and holds 2 of them in draw 3"
        )

    def test_a_welcome_is_an_acknowledgement(self) -> None:
        """Also what a WELCOME said must not be lost."""
        upload = upload_of(2, 3)
        upload.welcomed(welcome(5))
        with pytest.raises(RemoteProtocolError):
            upload.welcomed(welcome(2))

    def test_central_has_lost_the_end(self) -> None:
        """So must the END."""
        upload = upload_of()
        go_on(upload, welcome(0, ended=True))
        with pytest.raises(RemoteProtocolError, match="lost the END of draw 3"):
            upload.welcomed(welcome(0))

    def test_interrupted_while_reading(self) -> None:
        """What was read until then is not lost."""
        upload = upload_of(2, 3, 1)
        file: ListedFile = upload._file  # type: ignore[assignment]
        patient = file.next_batch

        async def next_batch(guard: object) -> FileBatch | None:
            if file.given == 2:
                file.next_batch = patient  # type: ignore[method-assign]
                raise CancelledError
            return await patient(unguarded)

        file.next_batch = next_batch  # type: ignore[method-assign]
        upload.welcomed(welcome(6))
        with pytest.raises(CancelledError):
            now(upload.go_on(welcome(6), unguarded))
        go_on(upload, welcome(6))

        assert send(upload) == []

    def test_from_the_start(self) -> None:
        """For another draw the file is read again."""
        upload = upload_of(2, 3, 1)
        with pytest.raises(OtherFile):
            go_on(upload, welcome(4, crc=1, ended=True))
        upload.start_over()
        assert not upload.is_stored
        go_on(upload, welcome(0))

        assert [batch.first for batch in send(upload)] == [0, 2, 5]


@given(st.data())
def test_any_life(data: st.DataObject) -> None:
    """Whatever is acknowledged, refused and cut: what is to be sent is what is not stored."""
    sizes = data.draw(st.lists(st.integers(1, 4), max_size=3))
    upload, total, stored = upload_of(*sizes), sum(sizes), 0
    for _ in range(data.draw(st.integers(0, 6))):
        on_the_way = send(upload, data.draw(st.integers(0, 3)))
        ends = [stored, *(batch.first + batch.count for batch in on_the_way)]
        stored = data.draw(st.sampled_from(ends))
        match data.draw(st.sampled_from(["ack", "again", "cut", "ahead"])):
            case "ack":
                stored = upload.sent
                upload.acknowledge(stored)
            case "again":
                upload.send_again_from(stored)
            case "cut":
                go_on(upload, welcome(stored))
            case "ahead":
                stored = data.draw(st.integers(stored, total))
                go_on(upload, welcome(stored))
        assert upload.acknowledged == stored

    rest = send(upload)
    assert b"".join(batch.rows for batch in rest) == rows(stored, total)
    assert upload.sent == total
