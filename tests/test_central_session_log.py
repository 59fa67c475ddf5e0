"""``lottery.central.session_log``: what the log says of a session."""

from __future__ import annotations

from fakes import MemoryLog
from twisted.internet.task import Clock

from lottery.central.place import Place
from lottery.central.session_log import SessionLog
from lottery.errors import Code
from lottery.wire import classic, lottery1
from lottery.wire.messages import Batch, ClassicBatch

PEER = {"ip": "127.0.0.1", "port": 50001}


def started(level: str = "INFO", agency: int = 7) -> tuple[MemoryLog, SessionLog, Place]:
    """The journal of a session that has a place."""
    log = MemoryLog(level)
    journal = SessionLog(log, PEER)
    place = Place(Clock(), 0.0)
    place.agency, place.dialect = agency, "classic"
    journal.arrived(place)
    return log, journal, place


def test_arrival() -> None:
    """Who, from where, in which dialect; agency 0 is an agency."""
    for agency in (7, 0):
        log, _, _ = started(agency=agency)
        assert log.lines == [
            (
                "action: accept_connections | result: success | ip: 127.0.0.1 | port: 50001 | "
                f"agency: {agency} | dialect: classic"
            )
        ]


ROW = "a,b,1,2000-01-01,7"


def frames(*bets: int) -> bytes:
    """Batches of the classic dialect with so many bets each."""
    return b"".join(classic.encode(ClassicBatch(f"{ROW},".encode() * each)) for each in bets)


def test_every_batch_at_debug() -> None:
    """A line for each, good or bad, and no total."""
    log, journal, _ = started("DEBUG")
    log.clear()
    journal.handed_on(frames(3, 0))
    journal.handed_on(frames(2, 4, 5))
    journal.stored(1)
    journal.stored(2)
    journal.refused(4)
    assert log.lines == [
        "action: apuesta_recibida | result: success | agency: 7 | cantidad: 3",
        "action: apuesta_recibida | result: success | agency: 7 | cantidad: 0",
        "action: apuesta_recibida | result: success | agency: 7 | cantidad: 2",
        "action: apuesta_recibida | result: fail | agency: 7 | cantidad: 4",
    ]
    assert {each["level"] for each in log.actions} == {"DEBUG"}


def test_batches_that_come_again_at_debug() -> None:
    """What followed a refused batch is dropped, and is no batch before it comes again."""
    log, journal, _ = started("DEBUG", agency=0)
    log.clear()
    lines = [lottery1.encode(Batch(0, bets, f"{ROW}\n".encode() * bets)) for bets in (300, 1)]
    journal.handed_on(b"".join(lines))
    journal.refused(300)
    journal.handed_on(lines[1])
    journal.stored(1)
    assert log.lines == [
        "action: apuesta_recibida | result: fail | agency: 0 | cantidad: 300",
        "action: apuesta_recibida | result: success | agency: 0 | cantidad: 1",
    ]


def test_a_batch_that_came_twice_at_debug() -> None:
    """What is stored behind its own refusal is not known any more, and breaks nothing."""
    log, journal, _ = started("DEBUG")
    log.clear()
    journal.handed_on(frames(3, 3))
    journal.refused(3)
    journal.stored(1)
    assert len(log.lines) == 1


def test_no_batch_at_info() -> None:
    """The agency's total is told when its part is decided, which is the draw's to say."""
    log, journal, _ = started()
    log.clear()
    journal.handed_on(frames(3, 0, 2))
    journal.stored(3)
    journal.refused(4)
    assert log.lines == []


def test_the_end_of_a_session() -> None:
    """Whose, from where, and why: nothing of what becomes of the agency's part."""
    log, journal, _ = started()
    log.clear()
    journal.failed(Code.FIELD, "row 1, is bad", said_something=True)
    assert log.lines == [
        (
            "action: agency | result: fail | agency: 7 | ip: 127.0.0.1 | port: 50001 | "
            "code: FIELD | error: row 1, is bad"
        )
    ]
    assert log.actions[0]["level"] == "WARNING"


def test_nobodys_connection() -> None:
    """Whoever said something is named at WARNING, others at DEBUG; a probe is no failure."""
    log = MemoryLog("DEBUG")
    journal = SessionLog(log, {"ip": "local"})
    journal.failed(Code.PROTO, "0x47 begins no frame", said_something=True)
    journal.failed(Code.TIMEOUT, "it was silent for too long", said_something=False)
    journal.failed(Code.LEFT_OUT, "it closed the connection", said_something=False)
    assert log.lines == [
        (
            "action: accept_connections | result: fail | ip: local | code: PROTO | "
            "error: 0x47 begins no frame"
        ),
        (
            "action: accept_connections | result: fail | ip: local | code: TIMEOUT | "
            "error: it was silent for too long"
        ),
        "action: probe | result: success | ip: local",
    ]
    assert [each["level"] for each in log.actions] == ["WARNING", "DEBUG", "DEBUG"]


def test_before_a_place() -> None:
    """What comes without a place is nobody's, and breaks nothing."""
    log = MemoryLog("DEBUG")
    journal = SessionLog(log, PEER)
    journal.handed_on(frames(1))
    journal.stored(1)
    assert log.lines == ["action: apuesta_recibida | result: success | agency: - | cantidad: 1"]
