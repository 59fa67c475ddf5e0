"""What an agency gives to the system: traced, every message is one send."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, cycle, islice
from pathlib import Path
from typing import Final

import pytest
from live import AGENCY, LiveAgency, LiveCentral, union, winning
from tracing import SENDS, Call, needs_strace, read_trace, traced

from lottery.wire import lottery1
from lottery.wire.decoder import Decoder
from lottery.wire.messages import NONCE_BYTES, Batch, End, Hello, Message, Received

pytestmark = pytest.mark.slow

#: The longest frame that an agency sends.
FRAME_BYTES: Final = 8192
#: Of a BATCH: type, length, first index, count.
HEAD_BYTES: Final = 13


def _row(index: int, size: int) -> str:
    """A valid row that has so many bytes with its line end, 29 to 282; every other one wins."""
    rest = f",{20_000_000 + index},1990-05-17,{7574 if index % 2 else 1111}"
    names = size - len(rest) - len(",\n")
    return f"{_name(names // 2)},{_name(names - names // 2)}{rest}"


def _name(size: int) -> str:
    """A name of so many bytes, most of them in pairs."""
    return "A" * (size % 2) + "ñ" * (size // 2)


def _rows(sizes: Iterable[int]) -> list[str]:
    """Rows of these sizes."""
    return [_row(index, size) for index, size in enumerate(sizes)]


def _batches(rows: Sequence[str], counts: Sequence[int]) -> list[Batch]:
    """The rows in batches of so many bets."""
    ends = list(accumulate(counts))
    assert ends[-1] == len(rows)
    return [
        Batch(end - count, count, "".join(f"{row}\n" for row in rows[end - count : end]).encode())
        for count, end in zip(counts, ends, strict=True)
    ]


def _sends(directory: Path, rows: Sequence[str], batch_size: int) -> list[Call]:
    """Let an agency bring these rows, one batch at a time; gives what it did at its connection."""
    file, trace = directory / "bets.csv", directory / "trace"
    file.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    program = traced(trace, calls=SENDS, bytes_in_hex=True, connections=True, program=AGENCY)
    options = ("--window", 1, "--batch-size", batch_size)
    with LiveCentral(directory, "--agencies", 1, "--draws", 1) as central:
        with LiveAgency(directory, central.port, 1, file, *options, program=program) as agency:
            assert agency.wait() == 0, agency.log
            assert agency.winners() == winning(rows)
        assert central.wait() == 0
        assert central.bets_csv(1) == union({1: rows})
    # Other writes are those to its log, its file of winners and its own pipe.
    calls = [call for call in read_trace(trace) if call.path.startswith("TCP:")]
    assert {call.path.endswith(f"->127.0.0.1:{central.port}]") for call in calls} == {True}
    assert len({(call.tid, call.path) for call in calls}) == 1
    return calls


def _message(call: Call) -> Message:
    """What a call says: one message, all of it and no more, which the system took as a whole."""
    decoder = Decoder(lottery1.TO_CENTRAL)
    decoder.receive(call.data)
    message = decoder.next_message()
    assert message is not None, f"{len(call.data)} bytes that are no whole frame"
    rest = call.data[-decoder.unread :] if decoder.unread else b""
    assert rest == b"", f"{len(rest)} bytes more than {type(message).__name__}"
    assert (call.result, call.error) == (len(call.data), "")
    return message


def _check(calls: Sequence[Call], rows: Sequence[str], batches: Sequence[Batch]) -> None:
    """Every message is one send: the greeting, each batch, the end and the acknowledgement."""
    hello, *sent, end, received = map(_message, calls)
    assert hello == Hello(1)
    assert sent == list(batches)
    assert isinstance(end, End)
    assert (end.total, len(end.nonce)) == (len(rows), NONCE_BYTES)
    assert received == Received(1, len(winning(rows)))


@pytest.mark.parametrize(
    ("batch_size", "bets"), [(1, 5), (16, 3 * 16 + 5), (32, 3 * 32 + 31), (140, 3 * 140 + 1)]
)
def test_a_batch_is_one_send(tmp_path: Path, batch_size: int, bets: int) -> None:
    """Whole batches and a last one that is not, of 1, 16, 32 and 140 bets: a send for each."""
    needs_strace()
    rows = _rows(islice(cycle((48, 57, 67)), bets))
    counts = [batch_size] * (bets // batch_size) + [bets % batch_size] * (bets % batch_size > 0)
    calls = _sends(tmp_path, rows, batch_size)
    _check(calls, rows, _batches(rows, counts))


def test_a_batch_that_fills_its_frame_is_one_send(tmp_path: Path) -> None:
    """Where 8 kB come before 140 bets: the last row that fits is in, and it is one send still."""
    needs_strace()
    # The first batch leaves not a byte free; the second one has no room for its 58th row, by a
    # byte, which therefore begins the third.
    full = [140] * 57 + [199]
    assert sum(full) + HEAD_BYTES == FRAME_BYTES
    sizes = [*full, *[140] * 57, 200, *islice(cycle((282, 29, 97)), 200)]
    rows = _rows(sizes)
    calls = _sends(tmp_path, rows, 140)
    batches = [message for message in map(_message, calls) if isinstance(message, Batch)]
    counts = [batch.count for batch in batches]
    assert counts[:2] == [58, 57]
    assert len(counts) > 4
    assert all(count < 140 for count in counts)
    for batch in batches[:-1]:
        frame = HEAD_BYTES + len(batch.rows)
        assert frame <= FRAME_BYTES < frame + sizes[batch.first + batch.count]
    assert HEAD_BYTES + len(batches[-1].rows) <= FRAME_BYTES
    _check(calls, rows, _batches(rows, counts))
