"""``lottery.central.session``: one connection of an agency, to the byte, from first to last."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import pytest
from central_fakes import NONCE, Agency, House, batch, bets, classic_batch, roster_of
from fakes import WorkingChild
from twisted.internet.interfaces import IHalfCloseableProtocol
from zope.interface.verify import verifyObject

from lottery.central.admission import Admission
from lottery.central.session import AgencySession
from lottery.central.terms import DELIVERY_SECONDS
from lottery.errors import Code
from lottery.wire import classic, lottery1
from lottery.wire.messages import (
    Ack,
    ClassicEnd,
    ClassicRefused,
    ClassicStored,
    ClassicWinners,
    End,
    Error,
    Hello,
    Received,
    Refused,
    Welcome,
    Winners,
)
from lottery.writer.pipe import Answer, Refusal, pack, pack_refusal
from lottery.writer.process import BUDGET_BYTES

ROW = "Ana,López,30904465,1999-03-17,7574"
FIELDS_HEX = "416e61 2c 4cc3b370657a 2c 3330393034343635 2c 313939392d30332d3137 2c 37353734"
NONCE_HEX = NONCE.hex()
SILENCE = 60.0


def hexed(text: str) -> bytes:
    """Bytes from hexadecimal digits and blanks."""
    return bytes.fromhex(text)


def ended(house: House, agency: Agency, number: int, *rows: str) -> None:
    """Let an agency of lottery/1 do its day up to its END."""
    agency.say(Hello(number), *([batch(rows)] if rows else []), End(len(rows), NONCE))
    assert Ack(len(rows), True) in agency.heard()


# Both dialects, to the byte.


def test_classic_day_to_the_byte(tmp_path: Path) -> None:
    """Batch, stored; an empty batch, stored; end; winners; and the agency closes."""
    with House(tmp_path) as house:
        agency = house.arrive(classic.DIALECT)
        agency.polite = False
        agency.say(hexed(f"01 0024 {FIELDS_HEX} 2c"))
        assert agency.bytes_heard() == hexed("02")
        agency.say(hexed("01 0000"))
        assert agency.bytes_heard() == hexed("02")
        agency.say(hexed("ff"))
        assert agency.bytes_heard() == hexed("03 0008 3330393034343635")
        assert house.bets_csv() == f"1,{ROW}\n"
        assert agency.transport.shut
        agency.close()
        (result,) = house.log.of("consulta_ganadores")
        assert result == {
            "level": "INFO",
            "result": "success",
            "draw": "1",
            "agency": "1",
            "cant_ganadores": "1",
        }


def test_lottery1_day_to_the_byte(tmp_path: Path) -> None:
    """HELLO, WELCOME, BATCH, ACK, END, ACK, WINNERS, RECEIVED; and the central closes."""
    with House(tmp_path) as house:
        agency = house.arrive()
        agency.say(hexed("10 0011 01 00000003 00000000 0000000000000000"))
        assert agency.bytes_heard() == hexed(
            "20 0018 00000001 01 00 0000000000000000 00000000 2000 0000003c"
        )
        agency.say(hexed(f"11 002e 0000000000000000 0001 {FIELDS_HEX} 0a"))
        assert agency.bytes_heard() == hexed("21 0009 0000000000000001 00")
        agency.say(hexed(f"12 0028 0000000000000001 {NONCE_HEX}"))
        assert agency.bytes_heard() == hexed(
            "21 0009 0000000000000001 01"
            f"23 003a 00000001 1d96 0000000000000001 0000000000000000 {FIELDS_HEX} 0a"
        )
        assert not agency.transport.shut
        agency.say(hexed("13 000c 00000001 0000000000000001"))
        assert agency.bytes_heard() == b""
        assert agency.transport.shut
        assert not agency.connected
        assert house.log.of("consulta_ganadores")[0]["result"] == "success"


@pytest.mark.parametrize("dialect", [classic.DIALECT, lottery1.DIALECT])
def test_a_day_byte_by_byte(tmp_path: Path, dialect: str) -> None:
    """However the bytes are cut: the same answers."""
    rows = bets(1, 3, 7574)
    if dialect == classic.DIALECT:
        words = [classic_batch(rows[:2]), classic_batch(rows[2:]), ClassicEnd()]
        stream = b"".join(map(classic.encode, words))
    else:
        words = [Hello(1), batch(rows[:2]), batch(rows[2:], 2), End(3, NONCE)]
        stream = b"".join(map(lottery1.encode, words))
    with House(tmp_path) as house:
        agency = house.arrive(dialect)
        for byte in stream:
            agency.say(bytes([byte]))
        heard = agency.heard()
        if dialect == classic.DIALECT:
            documents = b",".join(row.split(",")[2].encode() for row in rows)
            assert heard == [ClassicStored(), ClassicStored(), ClassicWinners(documents)]
            agency.close()
        else:
            told = Winners(1, 7574, 3, 0, "".join(f"{row}\n" for row in rows).encode())
            assert heard[1:] == [Ack(2), Ack(3), Ack(3, True), told]
            agency.say(Received(1, 3))
        assert house.bets_csv() == "".join(f"1,{row}\n" for row in rows)


def test_everything_is_sent_before_anything_is_read(tmp_path: Path) -> None:
    """A classic agency that reads only at the end gets an answer for each batch."""
    rows = bets(1, 500)
    with House(tmp_path) as house:
        agency = house.arrive(classic.DIALECT)
        agency.stop_reading()
        agency.say(*(classic_batch([row]) for row in rows), ClassicEnd())
        assert agency.bytes_heard() == b""
        agency.read()
        assert agency.bytes_heard() == b"\2" * 500 + b"\3\0\0"


def test_an_agency_may_half_close_behind_its_end(tmp_path: Path) -> None:
    """It still reads, so it still gets its winners."""
    with House(tmp_path) as house:
        agency = house.arrive(classic.DIALECT)
        agency.say(classic_batch([ROW]), ClassicEnd())
        other = house.arrive(classic.DIALECT)
        assert agency.heard() == [ClassicStored(), ClassicWinners(b"30904465")]
        other.close()
    with House(tmp_path / "2", agencies=2) as house:
        agency = house.arrive(classic.DIALECT)
        agency.say(classic_batch([ROW]), ClassicEnd())
        agency.half_close()
        house.arrive(classic.DIALECT).say(ClassicEnd())
        assert agency.heard() == [ClassicStored(), ClassicWinners(b"30904465")]
        assert not agency.connected
        results = house.log.of("consulta_ganadores")
        assert {each["agency"]: each["result"] for each in results} == {
            "1": "success",
            "2": "success",
        }


def test_a_half_closed_lottery1_agency_cannot_acknowledge(tmp_path: Path) -> None:
    """It is told its winners, and the log says that it has not acknowledged them."""
    with House(tmp_path, agencies=2) as house:
        agency = house.arrive()
        ended(house, agency, 1, ROW)
        agency.half_close()
        assert agency.connected
        other = house.arrive()
        ended(house, other, 2)
        assert isinstance(agency.heard()[0], Winners)
        assert not agency.connected
        other.say(Received(1, 0))
        results = {each["agency"]: each for each in house.log.of("consulta_ganadores")}
        assert results["1"]["error"] == "the connection was lost"
        assert results["2"]["result"] == "success"


def test_face() -> None:
    """A session knows that a connection has two halves."""
    verifyObject(IHalfCloseableProtocol, AgencySession())


# Who is refused.


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (b"\0", Code.PROTO, "0x00 begins no frame of lottery/1 nor of classic"),
        (b"GET / HTTP/1.1\r\n", Code.PROTO, "0x47 begins no frame of lottery/1 nor of classic"),
        (b"\x11\0\x0a" + bytes(10), Code.STATE, "Batch may not be said when nothing has been said"),
        (b"\x12\0\x28" + bytes(40), Code.STATE, "End may not be said when nothing has been said"),
        (
            b"\x13\0\x0c" + bytes(12),
            Code.STATE,
            "Received may not be said when nothing has been said",
        ),
        (b"\x10\xff\xff", Code.SIZE, "a frame announces 65535 bytes, at most 8192 are taken"),
        (b"\x10\0\1\2", Code.PROTO, "version 2 is not spoken here, only version 1"),
    ],
)
def test_nonsense(tmp_path: Path, words: bytes, code: Code, sentence: str) -> None:
    """It is told what is wrong, to the byte; it takes no place, and what follows is thrown away."""
    with House(tmp_path) as house:
        agency = house.arrive()
        agency.polite = False
        agency.say(words)
        told = sentence.encode()
        assert (
            agency.bytes_heard()
            == b"\x24" + (len(told) + 1).to_bytes(2, "big") + bytes([code]) + told
        )
        assert agency.transport.shut
        agency.say(Hello(1))
        assert agency.bytes_heard() == b""
        assert house.draw.places[0].agency is None
        agency.close()
        (line,) = [each for each in house.log.of("accept_connections") if "code" in each]
        assert (line["code"], line["level"]) == (code.name, "WARNING")


def test_nonsense_of_a_classic_agency(tmp_path: Path) -> None:
    """Its dialect has one byte for it."""
    with House(tmp_path, agencies=2) as house:
        too_long = house.arrive(classic.DIALECT)
        too_long.say(hexed("01 2001"))
        assert too_long.bytes_heard() == b"\xff"
        later = house.arrive(classic.DIALECT)
        later.say(classic_batch([ROW]), b"\4")
        assert later.bytes_heard() == b"\2\xff"
        assert house.left_out(1) == {}
        (line,) = house.log.of("agency")
        assert (line["agency"], line["code"]) == ("1", "PROTO")


def test_a_port_probe_is_of_no_interest(tmp_path: Path) -> None:
    """It connects and closes, or resets: no place, no line above DEBUG."""
    with House(tmp_path, log_level="INFO") as house:
        house.log.clear()
        house.arrive().close()
        house.arrive().reset()
        assert house.log.lines == []
        assert house.children == []


def test_an_agency_beyond_the_places(tmp_path: Path) -> None:
    """FULL: a sentence in lottery/1, a byte in classic; both are read until they close."""
    with House(tmp_path, agencies=1) as house:
        house.greeted(1)
        third, fourth = house.arrive(), house.arrive(classic.DIALECT)
        third.say(Hello(3))
        fourth.say(classic_batch([ROW]), classic_batch([ROW]), ClassicEnd())
        assert third.heard() == [Error(Code.FULL, "all 1 places of draw 1 are taken")]
        assert fourth.bytes_heard() == b"\xff"
        assert not third.connected
        assert not fourth.connected
        codes = [each.get("code") for each in house.log.of("accept_connections")]
        assert codes.count("FULL") == 2


def test_a_number_that_is_taken(tmp_path: Path) -> None:
    """A classic session goes on, and whoever says its number is refused."""
    with House(tmp_path, agencies=2) as house:
        first, second = house.arrive(classic.DIALECT), house.arrive()
        first.say(classic_batch([ROW]))
        second.say(Hello(1))
        assert second.heard() == [Error(Code.TAKEN, "agency 1 is a classic one in draw 1")]
        assert not second.connected
        first.say(classic_batch([ROW]))
        assert first.bytes_heard() == b"\2\2"


def test_no_writer_can_start(tmp_path: Path) -> None:
    """STORAGE: it is told, and left out; the next one gets a writer."""
    with House(tmp_path, agencies=3) as house:
        for dialect in (lottery1.DIALECT, classic.DIALECT):
            house.reactor.refusal = OSError("no more processes")
            agency = house.arrive(dialect)
            agency.say(Hello(7) if dialect == lottery1.DIALECT else ClassicEnd())
            expected = {
                lottery1.DIALECT: [Error(Code.STORAGE, "the central cannot store now")],
                classic.DIALECT: [ClassicRefused()],
            }
            assert agency.heard() == expected[dialect]
            assert not agency.connected
        (first, _) = house.log.of("writer")
        assert first["error"] == "none can start, no more processes"
        ended(house, house.arrive(), 8)
        assert set(house.left_out(1)) == {"7", "1"}
        house.agencies[-1].say(Received(1, 0))


# Who is somebody else, or nobody.


@pytest.mark.parametrize("said", [1, 3])
def test_another_number_than_the_certificate_says(tmp_path: Path, said: int) -> None:
    """AUTH, to the byte, also if the other one is on the roster; and no place is taken by it."""
    admission = Admission(roster_of(1, 2))
    with House(tmp_path, admission=admission, rejoin=30.0) as house:
        there = house.greeted(1)
        agency = house.arrived_as(2)
        agency.say(Hello(said))
        sentence = f"it says agency {said}, its certificate is that of agency 2"
        told = b"\x04" + sentence.encode()
        assert agency.bytes_heard() == b"\x24" + len(told).to_bytes(2, "big") + told
        agency.say(Hello(2))
        assert agency.bytes_heard() == b""
        assert not agency.connected
        assert there.connected
        assert 2 not in house.draw.taken
        assert 3 not in house.draw.taken
        (line,) = [each for each in house.log.of("accept_connections") if "code" in each]
        assert (line["level"], line["code"], line["error"]) == ("WARNING", "AUTH", sentence)
        assert house.greeted(2).connected


def test_no_certificate_where_there_is_a_roster(tmp_path: Path) -> None:
    """In plain text nobody of the roster can come, and nobody else."""
    with House(tmp_path, admission=Admission(roster_of(1))) as house:
        for number in (1, 2):
            agency = house.arrive()
            agency.say(Hello(number))
            sentence = f"it says agency {number}, and has no certificate: agencies use TLS here"
            assert agency.heard() == [Error(Code.AUTH, sentence)]
        assert house.draw.places[0].agency is None


@pytest.mark.parametrize("first", [b"\1\0\0", b"\xff"])
@pytest.mark.parametrize("over_tls", [False, True])
def test_a_classic_agency_where_there_is_a_roster(
    tmp_path: Path, first: bytes, over_tls: bool
) -> None:
    """It has no identity, whatever certificate it comes with: a byte says so, the log says why."""
    with House(tmp_path, admission=Admission(roster_of(1))) as house:
        agency = house.arrived_as(1, classic.DIALECT) if over_tls else house.arrive(classic.DIALECT)
        agency.say(first)
        assert agency.bytes_heard() == b"\xff"
        assert not agency.connected
        (line,) = [each for each in house.log.of("accept_connections") if "code" in each]
        assert (line["code"], line["error"]) == ("AUTH", "the classic dialect has no identity")
        assert house.draw.places[0].agency is None
        assert house.children == []


def test_classic_agencies_beside_a_roster(tmp_path: Path) -> None:
    """Where they are allowed: with numbers of nobody on it, and never on its places."""
    admission = Admission(roster_of(1, 3, 4), allow_classic=True)
    with House(tmp_path, admission=admission, agencies=5) as house:
        old = [house.arrive(classic.DIALECT) for _ in range(3)]
        for each in old:
            each.say(classic_batch([ROW]))
        assert [each.bytes_heard() for each in old] == [b"\2", b"\2", b"\xff"]
        for number in (2, 5):
            assert number in house.draw.taken
        lines = [each for each in house.log.of("accept_connections") if "code" in each]
        assert [each["code"] for each in lines] == ["FULL"]
        for number in (1, 3, 4):
            house.greeted(number)


def test_what_an_agency_may_store(tmp_path: Path) -> None:
    """So many bets of one draw; with one more its part is over, in either dialect."""
    with House(tmp_path, agencies=3, most_bets=4) as house:
        agency, other = house.greeted(1), house.greeted(2)
        old = house.arrive(classic.DIALECT)
        for each in (agency, other):
            each.say(batch(bets(1, 4)))
            assert each.heard() == [Ack(4)]
        sentence = "it has more than 4 bets"
        agency.say(batch([ROW], 4))
        assert agency.heard() == [Ack(5), Error(Code.LEFT_OUT, sentence)]
        assert not agency.connected
        old.say(classic_batch(bets(3, 4)), classic_batch([ROW]))
        assert old.bytes_heard()[-1:] == b"\xff"
        other.say(End(4, NONCE))
        assert house.left_out(1) == {"1": sentence, "3": sentence}
        other.say(Received(1, 0))


# A bad batch.


def test_a_refused_batch_to_the_byte(tmp_path: Path) -> None:
    """Code, expected index, row, field and sentence; what came before is acknowledged."""
    with House(tmp_path, agencies=2) as house:
        agency = house.greeted(4)
        agency.bytes_heard()
        bad = [ROW, "Ana,Gil,1,2000-01-01,10000"]
        agency.say(batch([ROW]), batch(bad, 1), batch([ROW], 3), End(4, NONCE))
        sentence = b"has 5 characters, must be 1 to 4 digits, 0 to 9999"
        assert agency.bytes_heard() == (
            hexed("21 0009 0000000000000001 00")
            + hexed(f"22 {13 + len(sentence):04x} 08 00 0000000000000001 0002 05")
            + sentence
        )
        assert not agency.connected
        (line,) = house.log.of("agency")
        assert line["code"] == "FIELD"
        assert line["error"] == f"row 2, number {sentence.decode()}"
        received = [(each["result"], each["cantidad"]) for each in house.log.of("apuesta_recibida")]
        assert received == [("success", "1"), ("fail", "2")]


def test_a_refused_classic_batch(tmp_path: Path) -> None:
    """One byte behind what is owed; nothing of the batch is stored."""
    with House(tmp_path, agencies=2) as house:
        agency = house.arrive(classic.DIALECT)
        agency.say(classic_batch([ROW]), classic_batch(["Ana,Gil,x,2000-01-01,1"]), ClassicEnd())
        assert agency.bytes_heard() == b"\2\xff"
        other = house.arrive(classic.DIALECT)
        other.say(ClassicEnd())
        assert house.bets_csv() == f"1,{ROW}\n"
        assert house.left_out(1) == {"1": "row 1, document holds U+0078, must be 1 to 15 digits"}


def test_a_batch_out_of_sequence(tmp_path: Path) -> None:
    """No hole and no repetition can arise."""
    with House(tmp_path, agencies=2) as house:
        for number, first in ((1, 1), (2, 2**64 - 1)):
            agency = house.greeted(number)
            agency.say(batch([ROW], first))
            sentence = f"the batch begins with bet {first}, bet 0 is next"
            assert agency.heard() == [Refused(Code.SEQ, False, 0, 0, 0, sentence)]


def test_an_end_that_does_not_fit(tmp_path: Path) -> None:
    """TOTALS: one of the two has lost something."""
    with House(tmp_path, agencies=2) as house:
        agency = house.greeted(1)
        agency.say(batch([ROW]), End(2, NONCE))
        sentence = "2 bets are announced, 1 are stored"
        assert agency.heard() == [Ack(1), Refused(Code.TOTALS, False, 1, 0, 0, sentence)]
        assert not agency.connected
        assert house.log.of("agency")[0]["error"] == sentence


def test_who_is_told_to_go_hears_first_what_became_of_its_batches(tmp_path: Path) -> None:
    """It is read no more; what was stored is acknowledged, and then come the last words."""
    with House(tmp_path, agencies=2) as house:
        agency = house.greeted(1)
        house.children[0].stopped = True
        agency.say(batch([ROW]), b"\0")
        agency.say(batch([ROW], 1))
        assert agency.heard() == []
        assert agency.transport.arriving
        assert house.log.of("agency")[0]["code"] == "PROTO"
        house.children[0].stopped = False
        house.settle()
        ack, error = agency.heard()
        assert ack == Ack(1)
        assert isinstance(error, Error)
        assert error.code is Code.PROTO
        assert not agency.connected
        house.arrive(classic.DIALECT).say(ClassicEnd())
        assert house.left_out(1) == {"1": error.sentence}
        assert house.bets_csv() == f"1,{ROW}\n"


# Cut off.


def test_cut_off_before_its_end(tmp_path: Path) -> None:
    """Between frames, in a header, in a payload: left out, with the reason."""
    with House(tmp_path, agencies=6) as house:
        for rest in (b"", b"\1", b"\1\0\x24abc"):
            for way in ("close", "reset"):
                agency = house.arrive(classic.DIALECT)
                agency.say(classic_batch([ROW]), rest)
                getattr(agency, way)()
        reasons = house.left_out(1)
        closed, lost = "it closed the connection", "the connection was lost"
        middle = " in the middle of a frame"
        assert list(reasons.values()) == [
            closed,
            lost,
            closed + middle,
            lost + middle,
            closed + middle,
            lost + middle,
        ]
        assert house.log.of("sorteo") == [
            {"level": "WARNING", "result": "fail", "draw": "1", "error": "void, nobody ended"}
        ]


def test_who_half_closes_too_early_hears_why(tmp_path: Path) -> None:
    """It may still be reading."""
    with House(tmp_path) as house:
        agency = house.greeted(1)
        agency.half_close()
        assert agency.heard() == [Error(Code.LEFT_OUT, "it closed the connection")]
        assert not agency.connected


def test_gone_with_its_end_in_the_writers_hands(tmp_path: Path) -> None:
    """When that is stored it has succeeded, whatever became of the connection."""
    for number, way in enumerate(("close", "reset")):
        with House(tmp_path / str(number)) as house:
            agency = house.greeted(1)
            house.children[0].stopped = True
            agency.say(batch([ROW]), End(1, NONCE))
            getattr(agency, way)()
            assert house.log.of("sorteo") == []
            house.children[0].stopped = False
            house.settle()
            assert house.log.of("sorteo")[0]["result"] == "success"
            (result,) = house.log.of("consulta_ganadores")
            assert (result["result"], result["cant_ganadores"]) == ("fail", "1")
            assert result["error"] in ("the agency is away", "the connection was lost")


def test_gone_and_its_writer_too(tmp_path: Path) -> None:
    """An END that was in the hands of a writer that died is none."""
    with House(tmp_path) as house:
        agency = house.greeted(1)
        house.children[0].stopped = True
        agency.say(batch([ROW]), End(1, NONCE))
        agency.reset()
        house.children[0].die(9)
        house.settle()
        assert house.left_out(1) == {"1": "the connection was lost"}
        assert house.log.of("sorteo")[0]["result"] == "fail"


def test_its_writer_dies(tmp_path: Path) -> None:
    """STORAGE, and its neighbour at another writer goes on."""
    with House(tmp_path, agencies=3, writers=2) as house:
        first, second = house.greeted(1), house.greeted(2)
        house.children[0].die(9)
        house.settle()
        assert first.heard() == [Error(Code.STORAGE, "its writer was ended by signal 9")]
        assert not first.connected
        second.say(batch([ROW]))
        assert second.heard() == [Ack(1)]
        third = house.arrive(classic.DIALECT)
        third.say(classic_batch([ROW]))
        assert third.heard() == [ClassicStored()]
        assert len(house.children) == 3


def test_more_behind_an_end(tmp_path: Path) -> None:
    """STATE; the part of an agency whose END is stored stays decided."""
    with House(tmp_path, agencies=2) as house:
        agency = house.arrive()
        ended(house, agency, 1, ROW)
        agency.say(batch([ROW], 1))
        (error,) = agency.heard()
        assert isinstance(error, Error)
        assert error.code is Code.STATE
        house.arrive(classic.DIALECT).say(ClassicEnd())
        assert house.left_out(1) == {}
        results = {each["agency"]: each for each in house.log.of("consulta_ganadores")}
        assert results["1"]["error"] == "the agency is away"


# Back again.

REJOIN = 30.0
TAKEN = Error(Code.TAKEN, "a newer session of agency 1 has come")
AGAIN = "no room on the disk, send again"


def crc_of(*rows: str) -> int:
    """The CRC of rows as an agency sent them."""
    return crc32("".join(f"{row}\n" for row in rows).encode())


def writer(house: House, number: int = 0) -> WorkingChild:
    """A writer of the house."""
    child = house.children[number]
    assert isinstance(child, WorkingChild)
    return child


@pytest.mark.parametrize("way", ["close", "reset", "half_close"])
def test_back_in_time(tmp_path: Path, way: str) -> None:
    """It is told where to go on, and goes on; nobody hears that it was away."""
    rows = bets(1, 5)
    with House(tmp_path, rejoin=REJOIN) as house:
        agency = house.greeted(1)
        agency.say(batch(rows[:2]))
        getattr(agency, way)()
        assert house.log.of("agency")[0]["code"] == "LEFT_OUT"
        house.advance(REJOIN - 1)
        back, welcome = house.welcomed(1, 1, acknowledged=2)
        assert (welcome.next_index, welcome.crc, welcome.ended) == (2, crc_of(*rows[:2]), False)
        house.advance(REJOIN)
        back.say(batch(rows[2:], 2), End(5, NONCE))
        assert back.heard()[:2] == [Ack(5), Ack(5, True)]
        assert house.left_out(1) == {}
        assert house.bets_csv() == "".join(f"1,{row}\n" for row in rows)
        back.say(Received(1, 0))


def test_back_too_late(tmp_path: Path) -> None:
    """It has no part any more; what it had sent stays in the list."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        agency = house.greeted(1)
        agency.say(batch([ROW]))
        agency.reset()
        house.advance(REJOIN)
        late = house.arrive()
        late.say(Hello(1, 0, 1))
        assert late.heard() == [Error(Code.LEFT_OUT, "agency 1 has no part in draw 1 any more")]
        assert not late.connected
        house.arrive(classic.DIALECT).say(ClassicEnd())
        reason = "the connection was lost, and it did not come back within 30 s"
        assert house.left_out(1) == {"1": reason}
        assert house.bets_csv() == f"1,{ROW}\n"


def test_a_classic_agency_does_not_come_back(tmp_path: Path) -> None:
    """It is left out at once; who comes then has the next number."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        house.arrive(classic.DIALECT).say(classic_batch([ROW]))
        house.agencies[0].reset()
        assert [place.decided for place in house.draw.places] == [True, False]
        other = house.arrive(classic.DIALECT)
        other.say(classic_batch([ROW]), ClassicEnd())
        assert house.bets_csv() == f"1,{ROW}\n2,{ROW}\n"
        assert house.left_out(1) == {"1": "the connection was lost"}


def test_back_in_pieces_of_another_size(tmp_path: Path) -> None:
    """A batch is stored whole or not at all, and the index alone says what is next."""
    rows = bets(1, 20)
    with House(tmp_path, rejoin=REJOIN) as house:
        stored = 0
        for size in (1, 2, 3, 5, 7, 4):
            agency, welcome = house.welcomed(1, acknowledged=stored)
            assert welcome.next_index == stored
            assert welcome.crc == crc_of(*rows[:stored])
            if stored == 20:
                agency.say(End(20, NONCE))
                continue
            frame = lottery1.encode(batch(rows[stored + size : stored + 2 * size], stored + size))
            agency.say(batch(rows[stored : stored + size], stored), frame[:-1])
            agency.reset()
            stored += size if stored + size < 18 else 0
            if size == 7:
                agency, _ = house.welcomed(1, acknowledged=stored)
                agency.say(batch(rows[18:], 18))
                assert agency.heard() == [Ack(20)]
                agency.reset()
                stored = 20
        assert house.bets_csv() == "".join(f"1,{row}\n" for row in rows)
        agency.say(Received(1, 0))


def test_a_newer_session_fences_the_older(tmp_path: Path) -> None:
    """The older one hears what became of its batches, and TAKEN; only then the newer is welcomed.

    All of that waits for a writer that stands still.
    """
    rows = bets(1, 3)
    with House(tmp_path, agencies=2, rejoin=REJOIN, writer_timeout=1000.0) as house:
        older = house.greeted(1)
        writer(house).stopped = True
        older.say(batch(rows[:1]), batch(rows[1:2], 1))
        newer = house.arrive()
        newer.say(Hello(1))
        older.say(batch(rows[2:], 2))  # it is not read any more
        house.advance(2 * SILENCE)  # nor is it anybody's turn but the writer's
        assert older.heard() == newer.heard() == []
        writer(house).stopped = False
        house.settle()
        assert older.heard() == [Ack(2), TAKEN]
        assert not older.connected
        (welcome,) = newer.heard()
        assert isinstance(welcome, Welcome)
        assert (welcome.next_index, welcome.crc) == (2, crc_of(*rows[:2]))
        newer.say(batch(rows[2:], 2))
        assert newer.heard() == [Ack(3)]
        (line,) = house.log.of("agency")
        assert line["code"] == "TAKEN"


def test_fenced_by_one_that_knows_what_is_acknowledged(tmp_path: Path) -> None:
    """What the older one was told counts, though its seat is not settled: that is no damage."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        older = house.greeted(1)
        older.say(batch([ROW]))
        assert older.heard() == [Ack(1)]
        _, welcome = house.welcomed(1, 1, acknowledged=1)
        assert welcome.next_index == 1
        assert older.heard() == [TAKEN]


def test_fenced_though_it_does_not_read(tmp_path: Path) -> None:
    """Nobody waits for it to hear of that."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        older = house.greeted(1)
        older.stop_reading()
        older.say(batch([ROW]))
        newer, welcome = house.welcomed(1)
        assert welcome.next_index == 1
        house.advance(5)
        assert not older.connected
        newer.say(End(1, NONCE))
        assert newer.heard() == [Ack(1, True)]


def test_fenced_while_its_writer_is_dead(tmp_path: Path) -> None:
    """The newer one is welcomed when the writer's segment is salvaged, and not before.

    What was stored without a word counts then; what was not is sent again.
    """
    rows = bets(1, 6)
    with House(tmp_path, agencies=2, rejoin=REJOIN, writer_timeout=20.0) as house:
        older = house.greeted(1)
        older.say(batch(rows[:2]))
        writer(house).mute = True
        older.say(batch(rows[2:4], 2))
        writer(house).stopped = True
        older.say(batch(rows[4:], 4))
        newer = house.arrive()
        newer.say(Hello(1, 0, 2))
        house.advance(20)
        assert writer(house).signals == ["KILL"]
        house.off_thread.hold = True
        writer(house).die(9)
        house.settle()
        assert newer.heard() == []
        assert older.heard() == [Ack(2)]
        house.off_thread.run()
        house.settle()
        (welcome,) = newer.heard()
        assert isinstance(welcome, Welcome)
        assert (welcome.next_index, welcome.crc) == (4, crc_of(*rows[:4]))
        assert older.heard() == [TAKEN]
        newer.say(batch(rows[4:], 4))
        assert newer.heard() == [Ack(6)]
        house.off_thread.hold = False
        house.off_thread.run()


def test_back_while_salvage_waits_for_room(tmp_path: Path) -> None:
    """A full disk makes it wait, and nothing has to be started again."""
    with House(tmp_path, agencies=2, rejoin=REJOIN, silence=0.0) as house:
        agency = house.greeted(1)
        writer(house).mute = True
        agency.say(batch([ROW]))
        house.disk.room = False
        writer(house).die(9)
        house.settle()
        assert agency.heard() == [Error(Code.STORAGE, "its writer was ended by signal 9")]
        back = house.arrive()
        back.say(Hello(1))
        house.advance(10 * REJOIN)
        assert back.heard() == []
        assert {each["work"] for each in house.log.of("room")} == {"salvage"}
        house.disk.room = True
        house.advance(1)
        (welcome,) = back.heard()
        assert isinstance(welcome, Welcome)
        assert welcome.next_index == 1


@pytest.mark.parametrize("way", ["reset", "fence", "kill"])
def test_its_end_is_stored_and_it_does_not_know(tmp_path: Path, way: str) -> None:
    """Whoever comes back with its END under way is told that it has ended, and gets its winners."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        agency = house.greeted(1)
        if way == "kill":
            writer(house).mute = True
        else:
            writer(house).stopped = True
        agency.say(batch([ROW]), End(1, NONCE))
        if way == "reset":
            agency.reset()
        elif way == "kill":
            writer(house).die(9)
            house.settle()
        back = house.arrive()
        back.say(Hello(1))
        writer(house).stopped = False
        house.settle()
        (welcome,) = back.heard()
        assert isinstance(welcome, Welcome)
        assert (welcome.ended, welcome.next_index, welcome.crc) == (True, 1, crc_of(ROW))
        if way == "fence":
            assert agency.heard() == [Ack(1), Ack(1, True), TAKEN]
        back.say(batch([ROW], 1))
        assert [each.code for each in back.heard() if isinstance(each, Error)] == [Code.STATE]
        back, _ = house.welcomed(1)
        house.arrive(classic.DIALECT).say(ClassicEnd())
        (winners,) = back.heard()
        assert isinstance(winners, Winners)
        assert winners.rows == f"{ROW}\n".encode()
        back.say(Received(1, 1))
        assert house.left_out(1) == {}


def test_more_was_acknowledged_than_is_stored(tmp_path: Path) -> None:
    """It is refused and the log cries out; the place and the older session are left alone."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        older = house.greeted(1)
        older.say(batch([ROW]))
        other = house.arrive()
        other.say(Hello(1, 0, 2))
        sentence = "2 bets were acknowledged to agency 1, draw 1 has 1 of them"
        assert other.heard() == [Error(Code.SEQ, sentence)]
        assert not other.connected
        assert house.log.of("damage") == [
            {"level": "CRITICAL", "result": "fail", "error": sentence}
        ]
        older.say(batch([ROW], 1))
        assert older.heard() == [Ack(1), Ack(2)]
        house.log.clear()
        stranger = house.arrive()
        stranger.say(Hello(7, 0, 1))
        sentence = "1 bets were acknowledged to agency 7, draw 1 has 0 of them"
        assert stranger.heard() == [Error(Code.SEQ, sentence)]
        assert house.draw.places[1].agency is None


def test_gone_while_it_waits_to_be_welcomed(tmp_path: Path) -> None:
    """The next one is welcomed instead; nothing is left of it."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        older = house.greeted(1)
        writer(house).stopped = True
        older.say(batch([ROW]))
        gone, last = house.arrive(), house.arrive()
        gone.say(Hello(1))
        gone.reset()
        last.say(Hello(1))
        writer(house).stopped = False
        house.settle()
        assert gone.heard() == []
        assert [type(each) for each in last.heard()] == [Welcome]


def test_sends_before_it_is_welcomed(tmp_path: Path) -> None:
    """STATE: it cannot know where to go on. Its agency's part is over, as for any nonsense."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        older = house.greeted(1)
        writer(house).stopped = True
        older.say(batch([ROW]))
        hasty = house.arrive()
        hasty.say(Hello(1), batch([ROW], 1))
        (error,) = hasty.heard()
        assert isinstance(error, Error)
        assert error.code is Code.STATE
        writer(house).stopped = False
        house.settle()
        assert house.draw.places[0].decided


# No room on the disk.


def test_no_room(tmp_path: Path) -> None:
    """REFUSED, with "again": it is sent again when there is room, on the same connection."""
    rows = bets(1, 6)
    with House(tmp_path, agencies=2) as house:
        agency = house.greeted(1)
        agency.say(batch(rows[:2]))
        assert agency.heard() == [Ack(2)]
        house.disk.room = False
        writer(house).stopped = True
        agency.say(batch(rows[2:4], 2))
        writer(house).stopped = False
        house.settle()
        refused = Refused(Code.STORAGE, True, 2, 0, 0, AGAIN)
        assert agency.heard() == [refused]
        assert agency.connected
        agency.say(batch(rows[2:4], 2))
        assert agency.heard() == [refused]
        house.disk.room = True
        agency.say(batch(rows[2:4], 2))
        assert agency.heard() == [Ack(4)]
        house.disk.room = False
        agency.say(batch(rows[4:], 4))
        agency.heard()
        house.disk.room = True
        agency.say(batch(rows[4:5], 4), batch(rows[5:], 5), End(6, NONCE))
        assert agency.heard() == [Ack(6), Ack(6, True)]
        house.arrive(classic.DIALECT).say(ClassicEnd())
        assert house.bets_csv() == "".join(f"1,{row}\n" for row in rows)
        agency.say(Received(1, 0))


def test_what_was_sent_behind_a_refused_batch_is_dropped(tmp_path: Path) -> None:
    """In the pipe, in the socket, and still coming: there is no hole, and one refusal."""
    rows = bets(1, 6)
    with House(tmp_path, agencies=2) as house:
        agency = house.greeted(1)
        house.disk.room = False
        agency.stop_reading()
        agency.say(batch(rows[:1]))
        house.disk.room = True
        agency.say(batch(rows[1:2], 1))
        writer(house).stopped = True
        agency.say(batch(rows[2:3], 2), batch(rows[3:4], 3))
        writer(house).stopped = False
        house.settle()
        agency.say(End(4, NONCE))
        agency.read()
        assert agency.heard() == [Refused(Code.STORAGE, True, 0, 0, 0, AGAIN)]
        agency.say(batch(rows[5:], 5), batch(rows[:3]), batch(rows[3:], 3), End(6, NONCE))
        assert agency.heard()[-1] == Ack(6, True)
        house.arrive(classic.DIALECT).say(ClassicEnd())
        assert house.bets_csv() == "".join(f"1,{row}\n" for row in rows)
        agency.say(Received(1, 0))


def test_no_room_for_an_end(tmp_path: Path) -> None:
    """It has not ended, and says so again; silent for too long it is left out."""
    with House(tmp_path, agencies=2, silence=SILENCE) as house:
        agency, other = house.greeted(1), house.greeted(2)
        house.disk.room = False
        for each in (agency, other):
            each.say(End(0, NONCE))
            assert each.heard() == [Refused(Code.STORAGE, True, 0, 0, 0, AGAIN)]
        house.advance(SILENCE - 1)
        house.disk.room = True
        agency.say(End(0, NONCE))
        assert agency.heard() == [Ack(0, True)]
        house.advance(1)
        assert other.heard() == [Error(Code.TIMEOUT, "it was silent for too long")]
        agency.say(Received(1, 0))


def test_an_end_that_overtakes_its_refusal(tmp_path: Path) -> None:
    """A batch without bets shares the fate of its group, and the END behind it fits all the same.

    So the agency is told to send again what has ended meanwhile: that is a message at the wrong
    time, and no trace in the log.
    """
    with House(tmp_path, agencies=2, real=False) as house:
        agency = house.greeted(1)
        agency.say(batch([]), End(0, NONCE))
        (child,) = house.children
        refusal = Refusal(Code.STORAGE, True, 0, 0, 0, AGAIN, 0)
        child.answer(pack_refusal(1, refusal) + pack(Answer.ENDED, 1, 0) + child.done())
        house.settle()
        assert agency.heard() == [Refused(*refusal[:-1]), Ack(0, True)]
        agency.say(batch([]), End(0, NONCE))
        (error,) = agency.heard()
        assert isinstance(error, Error)
        assert error.code is Code.STATE
        assert house.draw.places[0].succeeded
        child.end()


def test_gone_while_there_is_no_room(tmp_path: Path) -> None:
    """What was refused is not stored; it comes back and sends it again."""
    with House(tmp_path, agencies=2, rejoin=REJOIN) as house:
        agency = house.greeted(1)
        house.disk.room = False
        agency.say(batch([ROW]))
        agency.reset()
        back, welcome = house.welcomed(1)
        assert welcome.next_index == 0
        back.say(batch([ROW]))
        assert back.heard() == [Refused(Code.STORAGE, True, 0, 0, 0, AGAIN)]
        house.disk.room = True
        back.say(batch([ROW]))
        assert back.heard() == [Ack(1)]


def test_a_classic_agency_is_held_back(tmp_path: Path) -> None:
    """It cannot be told to come again: its batches wait, and are stored when there is room."""
    rows = bets(1, 4)
    with House(tmp_path, agencies=2, silence=SILENCE) as house:
        agency = house.arrive(classic.DIALECT)
        agency.say(classic_batch(rows[:1]))
        house.disk.room = False
        agency.say(classic_batch(rows[1:2]))
        house.advance(SILENCE - 1)
        agency.say(classic_batch(rows[2:]), ClassicEnd())
        house.advance(SILENCE - 1)
        assert agency.bytes_heard() == b"\2"
        house.disk.room = True
        house.advance(0.5)
        assert agency.bytes_heard() == b"\2\2"
        house.arrive(classic.DIALECT).say(ClassicEnd())
        assert agency.bytes_heard() == b"\3\0\0"
        assert house.bets_csv() == "".join(f"1,{row}\n" for row in rows)


@pytest.mark.parametrize("ends", [False, True])
def test_a_classic_agency_is_not_held_back_for_ever(tmp_path: Path, ends: bool) -> None:
    """No longer than it might be silent; nothing of what was held is ever stored then."""
    with House(tmp_path, agencies=2, silence=SILENCE) as house:
        agency = house.arrive(classic.DIALECT)
        agency.say(classic_batch([ROW]))
        house.disk.room = False
        agency.say(classic_batch([ROW]), *([ClassicEnd()] if ends else []))
        house.advance(SILENCE)
        assert agency.bytes_heard() == b"\2\xff"
        assert not agency.connected
        house.disk.room = True
        house.advance(1)
        house.arrive(classic.DIALECT).say(ClassicEnd())
        assert house.left_out(1) == {"1": "there was no room on the disk for too long"}
        assert house.bets_csv() == f"1,{ROW}\n"


def test_held_back_again(tmp_path: Path) -> None:
    """Its time is over only if nothing found room in it."""
    with House(tmp_path, agencies=2, silence=SILENCE) as house:
        agency = house.arrive(classic.DIALECT)
        for _ in range(3):
            house.disk.room = False
            agency.say(classic_batch([ROW]))
            house.advance(SILENCE - 1)
            assert agency.bytes_heard() == b""
            house.disk.room = True
            house.advance(0.5)
            assert agency.bytes_heard() == b"\2"
        house.advance(SILENCE - 2)
        assert agency.connected


def test_held_back_at_the_deadline(tmp_path: Path) -> None:
    """The draw is not held up by it: what waits is given up, and said to be refused."""
    with House(tmp_path, agencies=2, silence=0.0, deadline=30.0) as house:
        agency, other = house.arrive(classic.DIALECT), house.greeted(9)
        other.say(End(0, NONCE))
        agency.say(classic_batch([ROW]))
        house.disk.room = False
        agency.say(classic_batch([ROW]))
        house.advance(30)
        assert agency.bytes_heard() == b"\2\xff"
        house.disk.room = True
        house.advance(1)
        assert house.bets_csv() == f"1,{ROW}\n"
        other.say(Received(1, 0))


# Silence.


def test_silence_before_the_first_frame(tmp_path: Path) -> None:
    """Whoever says nothing, or never ends its first frame, is told, and gone in bounded time."""
    with House(tmp_path, silence=SILENCE) as house:
        mute, cut = house.arrive(), house.arrive(classic.DIALECT)
        cut.say(b"\1\0")
        mute.polite = cut.polite = False
        house.advance(4)
        assert mute.heard() == []
        house.advance(1)
        assert mute.heard() == [Error(Code.TIMEOUT, "it did not say who it is within 5 s")]
        assert cut.bytes_heard() == b"\xff"
        house.advance(5)
        assert not mute.connected
        assert not cut.connected


def test_silence_of_an_agency(tmp_path: Path) -> None:
    """A whole message begins the time anew, a trickle of bytes does not; then it is left out."""
    with House(tmp_path, silence=SILENCE) as house:
        agency = house.arrive()
        house.advance(4)
        agency.say(Hello(1))
        assert len(agency.heard()) == 1
        house.advance(SILENCE - 1)
        agency.say(b"\x11")
        assert agency.connected
        house.advance(1)
        assert agency.heard() == [Error(Code.TIMEOUT, "it was silent for too long")]
        assert house.left_out(1) == {"1": "it was silent for too long"}


def test_a_frame_that_trickles(tmp_path: Path) -> None:
    """It has its time from its first byte on; no byte that follows sets that back."""
    frame = lottery1.encode(batch(bets(1, 30)))
    with House(tmp_path, frame_timeout=30.0, silence=0.0) as house:
        agency = house.greeted(1)
        house.advance(100)
        for place in range(60):
            agency.say(frame[place : place + 1])
            if place < 59:
                house.advance(0.5)
        assert agency.heard() == []
        house.advance(0.5)
        assert agency.heard() == [Error(Code.TIMEOUT, "a frame took longer than 30 s")]
        assert house.left_out(1) == {"1": "a frame took longer than 30 s"}


def test_frames_that_come_slowly_one_after_the_other(tmp_path: Path) -> None:
    """Each has a time of its own, however they are cut."""
    with House(tmp_path, frame_timeout=30.0, silence=0.0) as house:
        agency = house.greeted(1)
        stream = b"".join(lottery1.encode(batch([ROW], index)) for index in range(8))
        size = len(stream) // 8
        agency.say(stream[: size // 2])
        for index in range(7):
            house.advance(29)
            agency.say(stream[size // 2 + index * size : size // 2 + (index + 1) * size])
            assert agency.heard() == [Ack(index + 1)]
        house.advance(30)
        assert agency.heard() == [Error(Code.TIMEOUT, "a frame took longer than 30 s")]


def test_a_frame_that_we_do_not_read_is_not_slow(tmp_path: Path) -> None:
    """While the writer has no room its clock stands; it begins anew with the reading."""
    rows = [f"{'A' * 60},{'B' * 60},{index:08d},2000-01-01,1" for index in range(55)]
    with House(tmp_path, frame_timeout=30.0, silence=0.0, writer_timeout=1000.0) as house:
        agency = house.greeted(1)
        house.children[0].stopped = True
        frames = b"".join(lottery1.encode(batch(rows, 55 * index)) for index in range(60))
        agency.say(frames[:-1])
        assert not agency.transport.reading
        house.advance(100)
        house.children[0].stopped = False
        house.settle()
        assert agency.transport.reading
        assert agency.heard()[-1] == Ack(55 * 59)
        house.advance(29)
        agency.say(frames[-1:])
        assert agency.heard() == [Ack(55 * 60)]


def test_how_long_a_peer_may_take_to_close(tmp_path: Path) -> None:
    """A setting; then it is aborted."""
    with House(tmp_path, close_grace=2.0) as house:
        agency = house.arrive()
        agency.polite = False
        agency.say(b"\0")
        house.advance(1.5)
        assert agency.connected
        house.advance(0.5)
        assert not agency.connected
        assert agency.transport.aborted


def test_nonsense_behind_an_end(tmp_path: Path) -> None:
    """The connection ends; but what is on disk has succeeded, and is in the draw."""
    with House(tmp_path) as house:
        agency = house.greeted(1)
        house.children[0].stopped = True
        agency.say(batch([ROW]), End(1, NONCE), batch([ROW], 1))
        assert agency.heard() == []
        assert house.log.of("apuesta_recibida") == []
        house.children[0].stopped = False
        house.settle()
        *acks, error = agency.heard()
        assert acks == [Ack(1), Ack(1, True)]
        assert isinstance(error, Error)
        assert error.code is Code.STATE
        assert [each["result"] for each in house.log.of("apuesta_recibida")] == ["success"]
        assert house.left_out(1) == {}
        assert len(house.log.of("sorteo")) == 1


def test_a_deadline_with_an_end_in_the_writers_hands(tmp_path: Path) -> None:
    """Whether it was in time is the writer's to say, and it says it in bounded time."""
    with House(tmp_path, deadline=60.0, silence=0.0, writer_timeout=100.0) as house:
        agency = house.greeted(1)
        house.children[0].stopped = True
        agency.say(End(0, NONCE))
        house.advance(60)
        assert agency.heard() == []
        assert house.log.of("sorteo") == []
        house.advance(40)
        assert house.children[0].signals == ["KILL"]
        house.children[0].die(9)
        reason = "it had not ended when the deadline of 60 s passed"
        assert house.left_out(1) == {"1": reason}
        house.settle()
        assert agency.heard() == [Error(Code.TIMEOUT, reason)]


def test_a_deadline_with_an_end_that_is_stored_after_all(tmp_path: Path) -> None:
    """It was in time: the agency comes again, and has its winners."""
    with House(tmp_path, deadline=60.0, silence=0.0, writer_timeout=100.0) as house:
        agency = house.greeted(1)
        house.children[0].stopped = True
        agency.say(End(0, NONCE))
        house.advance(60)
        house.children[0].stopped = False
        house.settle()
        stored, error = agency.heard()
        assert stored == Ack(0, True)
        assert error == Error(Code.BUSY, "its END is stored, come again for the winners")
        assert house.left_out(1) == {}
        back = house.arrive()
        back.say(Hello(1, 1))
        welcome, winners = back.heard()
        assert isinstance(welcome, Welcome)
        assert welcome.ended
        assert winners == Winners(1, 7574, 0, 0, b"")


def test_who_waits_for_us_is_not_silent(tmp_path: Path) -> None:
    """For an acknowledgement, or for the draw, an agency may wait for as long as it takes."""
    with House(tmp_path, agencies=2, silence=SILENCE, writer_timeout=1000.0) as house:
        agency = house.greeted(1)
        house.children[0].stopped = True
        agency.say(batch([ROW]))
        house.advance(3 * SILENCE)
        house.children[0].stopped = False
        house.settle()
        assert agency.heard() == [Ack(1)]
        house.advance(SILENCE - 1)
        agency.say(End(1, NONCE))
        house.advance(5 * SILENCE)
        assert agency.heard() == [Ack(1, True)]


def test_no_limit(tmp_path: Path) -> None:
    """0: for ever. But a draw has to end, so who is told its winners has half a minute."""
    with House(tmp_path, silence=0.0) as house:
        agency = house.greeted(1)
        house.advance(500)
        assert agency.connected
        ended_at = house.reactor.seconds()
        agency.say(End(0, NONCE))
        assert agency.heard() == [Ack(0, True), Winners(1, 7574, 0, 0, b"")]
        house.advance(DELIVERY_SECONDS - 1)
        assert agency.connected
        assert house.log.of("consulta_ganadores") == []
        house.advance(1)
        assert house.reactor.seconds() == ended_at + DELIVERY_SECONDS
        (result,) = house.log.of("consulta_ganadores")
        assert result["error"] == "it was silent for too long"


def test_the_draw_closes_while_all_send(tmp_path: Path) -> None:
    """Every batch that was handed on is acknowledged before TIMEOUT, and is in the seal."""
    with House(
        tmp_path,
        agencies=8,
        writers=3,
        deadline=30.0,
        rejoin=REJOIN,
        silence=0.0,
        writer_timeout=1000.0,
    ) as house:
        agencies = {}
        for number in range(1, 9):
            agencies[number] = (
                house.arrive(classic.DIALECT) if number > 6 else house.greeted(number)
            )
            if number > 6:
                agencies[number].say(classic_batch([]))
        ended = agencies.pop(1)
        ended.say(batch(bets(1, 1)), End(1, NONCE))
        for child in house.children:
            child.stopped = True
        for number, agency in agencies.items():
            rows = bets(number, 3 * number)
            for index in range(number):
                part = rows[3 * index : 3 * index + 3]
                agency.say(classic_batch(part) if number > 6 else batch(part, 3 * index))
        agencies[2].reset()
        house.advance(29.5)
        house.children[0].stopped = False
        house.settle()
        house.advance(0.5)
        for child in house.children:
            child.stopped = False
        house.settle()
        for number, agency in agencies.items():
            if number > 6:
                assert agency.bytes_heard() == b"\2" * (number + 1) + b"\xff"
            elif number > 2:
                *acks, error = agency.heard()
                assert acks[-1] == Ack(3 * number)
                assert isinstance(error, Error)
                assert error.code is Code.TIMEOUT
        expected = [f"1,{row}\n" for row in bets(1, 1)]
        expected += [f"{number},{row}\n" for number in agencies for row in bets(number, 3 * number)]
        assert house.bets_csv() == "".join(expected)
        reason = "it had not ended when the deadline of 30 s passed"
        assert house.left_out(1) == {str(number): reason for number in range(2, 9)}
        assert isinstance(ended.heard()[-1], Winners)
        ended.say(Received(1, 0))


# Flow control.


def test_a_full_writer_stops_the_reading(tmp_path: Path) -> None:
    """And nothing else does; when there is room, in turn, it goes on where it was."""
    rows = [f"{'A' * 60},{'B' * 60},{index:08d},2000-01-01,1" for index in range(55)]
    size = len(lottery1.encode(batch(rows)))
    count = BUDGET_BYTES // size + 20
    with House(tmp_path, agencies=2, writers=1, writer_timeout=1000.0) as house:
        agency = house.greeted(1)
        house.children[0].stopped = True
        agency.say(*(batch(rows, 55 * index) for index in range(count)), End(55 * count, NONCE))
        assert not agency.transport.reading
        assert BUDGET_BYTES <= house.children[0].sent <= BUDGET_BYTES + size + 100
        assert agency.transport.arriving
        waited = house.arrive()
        waited.say(Hello(2), batch(rows))
        assert not waited.transport.reading
        house.advance(2 * SILENCE)  # it is not their turn
        assert agency.connected
        house.children[0].stopped = False
        house.settle()
        heard = agency.heard()
        assert heard[-1] == Ack(55 * count, True)
        assert waited.heard()[-1] == Ack(55)
        assert agency.transport.reading


def test_who_is_gone_when_its_turn_comes(tmp_path: Path) -> None:
    """Has given up its place in the line; and who leaves just then is not resumed."""
    with House(tmp_path, agencies=3, writers=1, writer_timeout=1000.0, deadline=30.0) as house:
        rows = [f"{'A' * 60},{'B' * 60},{index:08d},2000-01-01,1" for index in range(55)]
        agency = house.greeted(1)
        house.children[0].stopped = True
        agency.say(*(batch(rows, 55 * index) for index in range(60)))
        assert not agency.transport.reading
        house.advance(30)
        assert agency.heard() == []
        house.children[0].stopped = False
        house.settle()
        ack, error = agency.heard()[-2:]
        assert error == Error(Code.TIMEOUT, "it had not ended when the deadline of 30 s passed")
        assert isinstance(ack, Ack)
        assert 0 < ack.next_index < 55 * 60
        assert house.log.of("sorteo")[0]["result"] == "fail"


def test_a_refusal_while_it_waits_for_room(tmp_path: Path) -> None:
    """The line moves past one that has been refused."""
    with House(tmp_path, agencies=2, writers=1, writer_timeout=1000.0) as house:
        rows = [f"{'A' * 60},{'B' * 60},{index:08d},2000-01-01,1" for index in range(55)]
        agency = house.greeted(1)
        house.children[0].stopped = True
        agency.say(batch([ROW], 7), *(batch(rows, 55 * index) for index in range(60)))
        house.children[0].stopped = False
        house.settle()
        (refused,) = agency.heard()
        assert isinstance(refused, Refused)
        assert refused.code is Code.SEQ
        assert not agency.connected


def test_room_for_one_batch_only(tmp_path: Path) -> None:
    """Whoever fills the room again goes back to the end of the line, and is not read."""
    rows = [f"{'A' * 60},{'B' * 60},{index:08d},2000-01-01,1" for index in range(55)]
    size = len(lottery1.encode(batch(rows)))
    with House(tmp_path, real=False, writers=1) as house:
        agency = house.arrive()
        agency.say(Hello(1), *(batch(rows, 55 * index) for index in range(60)))
        child = house.children[0]
        assert not agency.transport.reading
        for _ in range(3):
            before = child.sent
            child.answer(pack(Answer.DONE, 0, before - BUDGET_BYTES + 1))
            house.settle()
            assert size - 10 < child.sent - before < size + 30
            assert not agency.transport.reading
        child.end()


# The delivery.


def test_winners_of_many_frames(tmp_path: Path) -> None:
    """Each as the last one has left; nothing is lost, whatever the agency reads when."""
    rows = [f"Ana,Gil,{index:08d},2000-01-01,7574" for index in range(1000)]
    with House(tmp_path) as house:
        agency = house.arrive()
        agency.stop_reading()
        frames = [batch(rows[start : start + 100], start) for start in range(0, 1000, 100)]
        agency.say(Hello(1), *frames, End(1000, NONCE))
        assert len(agency.transport._unsent) < 3 * 8192
        agency.read()
        told = [message for message in agency.heard() if isinstance(message, Winners)]
        assert len(told) == 5
        assert b"".join(each.rows for each in told).decode().splitlines() == rows
        agency.say(Received(1, 1000))
        assert house.log.of("consulta_ganadores")[0]["cant_ganadores"] == "1000"


def test_who_does_not_read_its_winners(tmp_path: Path) -> None:
    """It is gone in bounded time, and the log says that they were not delivered."""
    for number, dialect in enumerate((lottery1.DIALECT, classic.DIALECT)):
        with House(tmp_path / str(number), silence=SILENCE) as house:
            agency = house.arrive(dialect)
            agency.stop_reading()
            if dialect == lottery1.DIALECT:
                agency.say(Hello(1), batch([ROW]), End(1, NONCE))
            else:
                agency.say(classic_batch([ROW]), ClassicEnd())
            house.advance(SILENCE)
            (result,) = house.log.of("consulta_ganadores")
            assert result["error"] == "it was silent for too long"
            house.advance(5)
            assert not agency.connected


def test_classic_agency_that_does_not_close(tmp_path: Path) -> None:
    """It has read all, but whether it has nobody knows: it is aborted, and not delivered."""
    with House(tmp_path) as house:
        agency = house.arrive(classic.DIALECT)
        agency.polite = False
        agency.say(ClassicEnd())
        assert agency.heard() == [ClassicWinners(b"")]
        assert house.log.of("consulta_ganadores") == []
        house.advance(house.settings.silence - 1)
        assert agency.connected
        house.advance(1)
        assert not agency.connected
        (result,) = house.log.of("consulta_ganadores")
        assert result["result"] == "fail"


@pytest.mark.parametrize("way", ["close", "reset"])
def test_gone_before_it_has_acknowledged(tmp_path: Path, way: str) -> None:
    """The winners are not delivered, and the central says so."""
    with House(tmp_path) as house:
        agency = house.greeted(1)
        agency.say(End(0, NONCE))
        assert isinstance(agency.heard()[-1], Winners)
        getattr(agency, way)()
        (result,) = house.log.of("consulta_ganadores")
        assert result["error"] == "the connection was lost"


@pytest.mark.parametrize("way", ["close", "reset"])
def test_away_when_the_draw_is_held(tmp_path: Path, way: str) -> None:
    """It has succeeded, and its winners cannot be told."""
    with House(tmp_path, agencies=2) as house:
        agency = house.arrive()
        ended(house, agency, 1, ROW)
        getattr(agency, way)()
        assert house.log.of("sorteo") == []
        other = house.arrive(classic.DIALECT)
        other.say(ClassicEnd())
        assert house.left_out(1) == {}
        assert house.log.of("sorteo")[0]["agencies"] == "2"
        results = {each["agency"]: each for each in house.log.of("consulta_ganadores")}
        assert results["1"]["error"] in ("the agency is away", "the connection was lost")
        assert results["2"]["result"] == "success"


def test_an_acknowledgement_of_something_else(tmp_path: Path) -> None:
    """Is none: the winners are not delivered."""
    with House(tmp_path) as house:
        agency = house.greeted(1)
        agency.say(End(0, NONCE))
        agency.heard()
        agency.say(Received(1, 5))
        assert not agency.connected
        (result,) = house.log.of("consulta_ganadores")
        assert result["error"] == ("0 winners of draw 1 were told, 5 of draw 1 are acknowledged")


def test_more_winners_than_the_classic_dialect_can_say(tmp_path: Path) -> None:
    """FF, logged with the numbers; nothing is truncated, and nobody waits for ever."""
    rows = [f"A,B,{index:015d},2000-01-01,7574" for index in range(4097)]
    with House(tmp_path) as house:
        agency = house.arrive(classic.DIALECT)
        frames = [classic_batch(rows[start : start + 200]) for start in range(0, 4097, 200)]
        agency.say(*frames, ClassicEnd())
        assert agency.bytes_heard() == b"\2" * 21 + b"\xff"
        assert not agency.connected
        (result,) = house.log.of("consulta_ganadores")
        assert result["cant_ganadores"] == "4097"
        assert result["error"] == "4097 winners take 65551 bytes, the classic dialect has 65535"


def test_what_is_owed_is_written_before_the_winners(tmp_path: Path) -> None:
    """An agency whose transport was full when its END was stored still gets all of it."""
    with House(tmp_path) as house:
        agency = house.greeted(1)
        agency.heard()
        agency.stop_reading()
        producer = agency.transport.producer
        assert producer is not None
        producer.pauseProducing()  # type: ignore[attr-defined]
        agency.say(batch([ROW]), End(1, NONCE))
        agency.read()
        heard = agency.heard()
        assert heard[0] == Ack(1, True)
        assert isinstance(heard[1], Winners)
        agency.say(Received(1, 1))


# The end of the central.


def test_stop_in_the_middle_of_everything(tmp_path: Path) -> None:
    """Batches in hand are acknowledged, what is not read is refused, all are told."""
    with House(tmp_path, agencies=4) as house:
        new, working = house.arrive(), house.greeted(1)
        waiting = house.arrive(classic.DIALECT)
        waiting.say(classic_batch([ROW]), ClassicEnd())
        leaving = house.arrive()
        leaving.polite = False
        leaving.say(b"\0")
        house.children[0].stopped = True
        working.say(batch([ROW]))
        stopped: list[object] = []
        house.central.stopService().addBoth(stopped.append)
        working.say(batch([ROW], 1))  # too late
        house.children[0].stopped = False
        house.settle()
        assert working.heard() == [Ack(1), Error(Code.STOPPING, "the central is being stopped")]
        assert waiting.bytes_heard() == b"\2\xff"
        assert new.heard() == [Error(Code.STOPPING, "the central is being stopped")]
        leaving.close()
        assert stopped == [None]
        assert house.log.of("sorteo") == []


def test_stop_while_a_newer_session_waits(tmp_path: Path) -> None:
    """It is told of the stop, whether the writer of the older one ends by itself or is killed.

    No writer is started for it: nobody would wait for that one's end.
    """
    for number, killed in enumerate((False, True)):
        with House(tmp_path / str(number), agencies=2, rejoin=REJOIN) as house:
            older, newer = house.greeted(1), house.arrive()
            house.children[0].stopped = True
            older.say(batch([ROW]))
            newer.say(Hello(1))
            stopped: list[object] = []
            house.central.stopService().addBoth(stopped.append)
            if killed:
                house.advance(2)
                assert house.children[0].signals == ["KILL"]
            house.children[0].stopped = False
            house.settle()
            assert stopped == [None]
            assert len(house.children) == 1
            assert newer.heard()[-1] == Error(Code.STOPPING, "the central is being stopped")
            assert older.heard() == ([TAKEN] if killed else [Ack(1), TAKEN])


def test_stop_while_a_writer_hangs(tmp_path: Path) -> None:
    """It is killed in time, and its session is told of the stop, not of the writer."""
    with House(tmp_path) as house:
        agency = house.greeted(1)
        house.children[0].stopped = True
        agency.say(batch([ROW]))
        stopped: list[object] = []
        house.central.stopService().addBoth(stopped.append)
        house.advance(2)
        house.children[0].stopped = False
        house.settle()
        assert stopped == [None]
        assert agency.heard() == [Error(Code.STOPPING, "the central is being stopped")]


def test_stop_with_an_end_in_the_writers_hands(tmp_path: Path) -> None:
    """It is stored and acknowledged, but nobody decides any more who has succeeded."""
    with House(tmp_path, agencies=2) as house:
        agency = house.greeted(1)
        house.children[0].stopped = True
        agency.say(End(0, NONCE))
        house.central.stopService()
        house.children[0].stopped = False
        house.settle()
        assert agency.heard() == [
            Ack(0, True),
            Error(Code.STOPPING, "the central is being stopped"),
        ]
        assert house.log.of("apuesta_recibida") == []


def test_stop_with_an_agency_that_does_not_read(tmp_path: Path) -> None:
    """It is aborted when its grace is over."""
    with House(tmp_path, agencies=2) as house:
        agency = house.greeted(1)
        agency.stop_reading()
        house.stop()
        assert agency.transport.aborted


def test_stop_during_the_delivery(tmp_path: Path) -> None:
    """Who has not acknowledged is told; the log says that it was not delivered."""
    with House(tmp_path) as house:
        agency = house.greeted(1)
        agency.say(End(0, NONCE))
        house.stop()
        assert agency.heard()[-1] == Error(Code.STOPPING, "the central is being stopped")
        (result,) = house.log.of("consulta_ganadores")
        assert result["error"] == "the central is being stopped"
