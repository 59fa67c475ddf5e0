"""What each step of a bet's way takes by itself, so that a slow change is found where it is.

    python benchmarks/micro.py [NAME ...] [--repeats N] [--json]

NAME is a case, or how some of them begin: ``desk`` is all of the desk's. TMPDIR names where files
go. The loop around a case is part of its figures; a case that takes less than five times as long
as an empty loop has none, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from functools import lru_cache, partial
from pathlib import Path
from time import perf_counter
from typing import Final
from zlib import crc32

from loops import Refused, Work, measure

from lottery.agency.sample_day import WINNING_NUMBER, AgencyDay, rows
from lottery.bets import (
    CLASSIC_END,
    LINE_END,
    are_common_lines,
    common_classic_rows,
    exact_classic_rows,
    exact_line_rows,
)
from lottery.ledger.directory import DrawDirectory
from lottery.ledger.index import Ledger
from lottery.ledger.segment import Segment
from lottery.ledger.standing import Standing
from lottery.ledger.winners import winning_rows
from lottery.wire import classic, lottery1
from lottery.wire.decoder import Decoder
from lottery.wire.frames import RUN_BYTES, bets_of, payloads_of
from lottery.wire.messages import Batch, ClassicBatch
from lottery.writer.child import PIPE_BYTES
from lottery.writer.desk import Desk
from lottery.writer.pipe import Order, PipeReader, PipeRecord, pack, pack_open, pack_stored

REPEATS: Final = 7

AGENCIES: Final = 10
BETS: Final = 20_000
"""Of each agency."""
BATCH: Final = 140
CSV_STEP_BYTES: Final = 512 << 10
MIN_FREE_BYTES: Final = 64 << 20
TODAY: Final = date(2025, 1, 1)


@lru_cache
def day() -> list[str]:
    """Give the bets of an agency."""
    return list(rows(AgencyDay(agency=1, bets=BETS, winners=BETS // 1000, seed=1)))


@lru_cache
def bets_csv() -> bytes:
    """Give the ``bets.csv`` of a draw in which every agency has had this day."""
    agencies = range(1, AGENCIES + 1)
    return "".join(f"{agency},{bet}\n" for agency in agencies for bet in day()).encode()


def text(bets: list[str], end: str) -> bytes:
    """Give bets as they are sent, with an end behind each."""
    return "".join(f"{bet}{end}" for bet in bets).encode()


@lru_cache
def frames(dialect: str, batch: int) -> list[bytes]:
    """Give the day in batches of a dialect."""
    batches = [(first, day()[first : first + batch]) for first in range(0, BETS, batch)]
    if dialect == classic.DIALECT:
        return [classic.encode(ClassicBatch(text(bets, CLASSIC_END))) for _, bets in batches]
    return [lottery1.encode(Batch(at, len(bets), text(bets, LINE_END))) for at, bets in batches]


def runs(dialect: str, batch: int = BATCH) -> Iterator[bytes]:
    """Yield these batches, as many at a time as travel together."""
    run = b""
    for frame in frames(dialect, batch):
        run += frame
        if len(run) >= RUN_BYTES:
            yield run
            run = b""
    if run:
        yield run


def orders(dialect: str, agency: int, sent: list[bytes]) -> list[PipeRecord]:
    """Give what a writer is ordered when an agency begins and sends these runs."""
    opening = pack_open(agency, agency, Standing(classic=dialect == classic.DIALECT))
    batches = [pack(Order.BATCHES, agency, body=run) for run in sent]
    return PipeReader().feed(b"".join([opening, *batches]))


def records(agency: int, sent: list[bytes]) -> bytes:
    """Give what a writer stores when an agency sends these runs of lottery/1."""
    entries, _ = Desk().take(orders(lottery1.DIALECT, agency, sent), TODAY)
    return b"".join(entry.packed(0) for entry in entries)


def draw_in(folder: Path) -> DrawDirectory:
    """Store the day for every agency, in two segments."""
    draw, sent = DrawDirectory(1, folder), list(runs(lottery1.DIALECT))
    for number in (1, 2):
        segment = Segment(str(draw.segment(number)), draw.number, number)
        for agency in range(number, AGENCIES + 1, 2):
            segment.append(records(agency, sent))
        segment.close()
    return draw


def cut(data: bytes, size: int) -> list[bytes]:
    """Cut bytes into pieces of a size."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def decoding(dialect: str, batch: int, in_runs: bool, _: Path) -> Work:
    """Decode what an agency sends, in runs as the central does or message by message."""
    sent = frames(dialect, batch)
    chunks = cut(b"".join(sent), RUN_BYTES)

    def decode() -> int:
        decoder, found = Decoder(classic.TO_CENTRAL, lottery1.TO_CENTRAL), 0
        for chunk in chunks:
            decoder.receive(chunk)
            while True:
                if in_runs and (run := decoder.next_run()):
                    found += run[1]
                elif decoder.next_message():
                    found += 1
                else:
                    break
        return found

    return Work(decode, len(sent), BETS)


def common_check(dialect: str, _: Path) -> Work:
    """Check the batches of a run together."""
    run = next(runs(dialect))
    bets = day()[: sum(bets_of(run))]
    payloads, lines, year = payloads_of(run), text(bets, LINE_END), TODAY.year
    if dialect == classic.DIALECT:
        found = [bet.encode() for bet in bets]
        return Work(lambda: common_classic_rows(payloads, year), found, len(bets))
    return Work(lambda: are_common_lines(lines, year), True, len(bets))


def exact_check(dialect: str, _: Path) -> Work:
    """Check one batch, row by row."""
    bets = day()[:BATCH]
    payload, lines = text(bets, CLASSIC_END), text(bets, LINE_END)
    found = [bet.encode() for bet in bets]
    if dialect == classic.DIALECT:
        return Work(lambda: exact_classic_rows(payload, TODAY), found, BATCH)
    return Work(lambda: exact_line_rows(lines, BATCH, TODAY), found, BATCH)


def desk_work(dialect: str, batch: int, _: Path) -> Work:
    """Make records of as many runs as a writer reads at once; the session begins anew."""
    desk, sent = Desk(), list(runs(dialect, batch))[: PIPE_BYTES // RUN_BYTES]
    counts, group = [count for run in sent for count in bets_of(run)], orders(dialect, 1, sent)
    bets = sum(counts)
    crc = 0 if dialect == classic.DIALECT else crc32(text(day()[:bets], LINE_END))
    answer = pack_stored(1, bets, crc, len(counts))
    return Work(lambda: desk.take(group, TODAY)[1], answer, bets)


def appending(flushes: bool, folder: Path) -> Work:
    """Append the record of a run to a segment, which is emptied before each loop."""
    run = next(runs(lottery1.DIALECT))
    path, record = folder / "segment-0001.log", records(1, [run])
    segment = Segment(str(path), 1, 1, MIN_FREE_BYTES)

    def append() -> None:
        segment.append(record)
        if flushes:
            segment.flush()

    amount, unit = (1, "ms per flush") if flushes else (sum(bets_of(run)), "ns per bet")
    return Work(append, None, amount, unit, lambda: os.truncate(path, 0))


def winner_scan(_: Path) -> Work:
    """Find the rows that have won."""
    steps, ending = cut(bets_csv(), CSV_STEP_BYTES), f",{WINNING_NUMBER}\n".encode()
    found = [row for row in bets_csv().splitlines(keepends=True) if row.endswith(ending)]
    return Work(lambda: list(winning_rows(steps, WINNING_NUMBER)), found, AGENCIES * BETS)


def ledger_index(folder: Path) -> Work:
    """Check the segments of a draw, which are in memory by then."""
    draw = draw_in(folder)

    def bets_found() -> int:
        ledger = Ledger(draw)
        return sum(map(ledger.bets_of, ledger.agencies))

    return Work(bets_found, AGENCIES * BETS, AGENCIES * BETS)


def ledger_rows(folder: Path) -> Work:
    """Read the rows of a draw in order."""
    ledger, size = Ledger(draw_in(folder)), len(bets_csv())
    return Work(lambda: sum(map(len, ledger.rows())), size, AGENCIES * BETS)


def all_cases() -> Iterator[tuple[str, Callable[[Path], Work]]]:
    """Yield what prepares each case in a folder of its own, and its name."""
    dialects = {"classic": classic.DIALECT, "lottery1": lottery1.DIALECT}
    for name, dialect in dialects.items():
        for batch in (10, BATCH):
            yield f"decoder-runs-{name}-{batch}", partial(decoding, dialect, batch, True)
            yield f"decoder-messages-{name}-{batch}", partial(decoding, dialect, batch, False)
            yield f"desk-{name}-{batch}", partial(desk_work, dialect, batch)
        yield f"check-common-{name}", partial(common_check, dialect)
        yield f"check-exact-{name}", partial(exact_check, dialect)
    yield "segment-append", partial(appending, False)
    yield "segment-flush", partial(appending, True)
    yield "winners", winner_scan
    yield "ledger-index", ledger_index
    yield "ledger-rows", ledger_rows


CASES: Final = dict(sorted(all_cases()))


def chosen(names: list[str]) -> list[str]:
    """Give the cases that begin with one of these names; all, if there are none.

    :raises LookupError: for a name with which none begins.
    """
    for name in names:
        if not any(case.startswith(name) for case in CASES):
            raise LookupError(f"no case begins with {name}, there are {', '.join(CASES)}")
    return [case for case in CASES if case.startswith(tuple(names) or "")]


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a case, or how some begin")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="of each case")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error("each case has to be repeated once at least")
    try:
        names = chosen(options.names)
    except LookupError as error:
        parser.error(str(error))
    told, refused = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            own = Path(folder, name)
            own.mkdir()
            try:
                figures = measure(name, CASES[name](own), options.repeats, perf_counter)
            except Refused as refusal:
                refused.append(str(refusal))
                continue
            told.append(figures._asdict())
            if not options.json:
                line = f"{figures.least:10.3f} {figures.unit}, {figures.median:.3f} (median)"
                print(f"{name:<30}{line}", flush=True)
    if options.json:
        print(json.dumps(told, indent=2))
    if refused:
        raise SystemExit("\n".join(refused))


if __name__ == "__main__":
    main()
