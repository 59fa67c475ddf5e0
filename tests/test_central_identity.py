"""``lottery.central.identity``: a peer until it is known who it is, and who is no more."""

from __future__ import annotations

from pathlib import Path

import pytest
from central_fakes import (
    NONCE,
    Agency,
    FakeTlsTransport,
    House,
    batch,
    bets,
    classic_batch,
    roster_of,
)
from OpenSSL import SSL
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHandshakeListener
from zope.interface.verify import verifyObject

from lottery.central.admission import Admission
from lottery.central.identity import EXPELLED_SECONDS
from lottery.central.session import AgencySession
from lottery.errors import Code
from lottery.wire import classic
from lottery.wire.messages import Ack, ClassicStored, End, Error, Hello, Received

HELLO_SECONDS = 5.0
LATE = "it did not say who it is within 5 s"
REMOVED = "agency 1 is not on the roster any more"
CHANGED = "agency 1 has another certificate now"
ROWS = bets(1, 4)


def town(directory: Path, *agencies: int, **more: object) -> House:
    """A central with a roster of these."""
    allow_classic = bool(more.pop("allow_classic", False))
    admission = Admission(roster_of(*agencies), allow_classic=allow_classic)
    return House(directory, admission=admission, **more)  # type: ignore[arg-type]


def strikes(house: House, *agencies: int) -> None:
    """Have only these on the roster from now on, as far as sessions are concerned."""
    house.central._door.admission.roster = roster_of(*agencies)
    house.central._factory.check_roster()
    house.settle()


def failures(house: House) -> list[tuple[str, str, str]]:
    """Level, code and sentence of those that did not become sessions of an agency."""
    return [
        (each["level"], each["code"], each["error"])
        for each in house.log.of("accept_connections")
        if each["result"] == "fail"
    ]


def strangers(house: House) -> int:
    """How many connections are nobody's yet."""
    return len(house.central._factory.strangers)


def test_face() -> None:
    """A session knows that there are handshakes."""
    verifyObject(IHandshakeListener, AgencySession())


# The handshake.


def test_nothing_is_heard_before_the_handshake(tmp_path: Path) -> None:
    """Then what came meanwhile is; and whoever says the number of its certificate is welcome."""
    with town(tmp_path, 1) as house:
        agency = house.half_arrived()
        agency.say(Hello(1))
        assert agency.heard() == []
        assert strangers(house) == 1
        agency.shake_hands(1)
        assert len(agency.heard()) == 1
        assert strangers(house) == 0
        assert failures(house) == []


def test_the_certificate_of_nobody(tmp_path: Path) -> None:
    """AUTH, and nothing is parsed of what came right behind the handshake."""
    with town(tmp_path, 1) as house:
        agency = house.arrived_as(2, early=b"\0")
        assert agency.heard() == [Error(Code.AUTH, "its certificate is that of no agency")]
        agency.say(b"\0")
        assert not agency.connected
        assert failures(house) == [("WARNING", "AUTH", "its certificate is that of no agency")]
        assert house.draw.places[0].agency is None


def test_a_certificate_without_a_roster(tmp_path: Path) -> None:
    """Nobody is looked for: it may be whoever it says."""
    with House(tmp_path) as house:
        agency = house.arrived_as(2)
        agency.say(Hello(1))
        assert len(agency.heard()) == 1


@pytest.mark.parametrize("kind", ["certificate", "alert"])
def test_a_handshake_that_fails(tmp_path: Path, kind: str) -> None:
    """AUTH, and the log says what of: the words about the certificate if there are any."""
    with town(tmp_path, 1) as house:
        agency = house.half_arrived()
        sentence = "no TLS, unsupported protocol"
        if kind == "certificate":
            sentence = "its certificate has expired"
            agency.transport._protocol.certificate_refused(sentence)  # type: ignore[attr-defined]
        agency.break_off(SSL.Error([("SSL routines", "", "unsupported protocol")]))
        assert failures(house) == [("WARNING", "AUTH", sentence)]
        assert agency.heard() == []
        assert strangers(house) == 0


def test_a_certificate_that_is_refused_and_a_peer_that_is_gone(tmp_path: Path) -> None:
    """What was wrong with it is told, though all that is seen at the end is that it has gone."""
    with town(tmp_path, 1) as house:
        agency = house.half_arrived()
        agency.transport._protocol.certificate_refused("it is bad")  # type: ignore[attr-defined]
        agency.break_off(ConnectionLost())
        assert failures(house) == [("WARNING", "AUTH", "it is bad")]


@pytest.mark.parametrize("why", [ConnectionDone(), ConnectionLost()])
def test_a_handshake_that_is_broken_off(tmp_path: Path, why: Exception) -> None:
    """As a port probe does: of no interest, no line above DEBUG, whatever was sent."""
    with town(tmp_path, 1) as house:
        house.half_arrived().break_off(why)
        half = house.half_arrived()
        half.say(b"\x16")
        half.close()
        assert failures(house) == []
        assert [each["level"] for each in house.log.of("probe")] == ["DEBUG", "DEBUG"]


def test_stop_during_a_handshake(tmp_path: Path) -> None:
    """Who cannot be told of it is aborted."""
    with town(tmp_path, 1) as house:
        agency = house.half_arrived()
        house.stop()
        assert not agency.connected


# Its time.


def test_a_handshake_that_takes_too_long(tmp_path: Path) -> None:
    """Aborted, for there is nothing that could be said to it; and the log says so once."""
    with town(tmp_path, 1) as house:
        agency = house.half_arrived()
        house.advance(HELLO_SECONDS - 0.5)
        assert agency.connected
        house.advance(0.5)
        assert not agency.connected
        assert agency.transport.aborted
        assert agency.bytes_heard() == b""
        assert failures(house) == [("WARNING", "TIMEOUT", LATE)]
        assert house.log.of("probe") == []
        assert strangers(house) == 0


def test_the_handshake_is_in_its_time(tmp_path: Path) -> None:
    """It begins with the connection, not with the end of the handshake, nor with a byte."""
    with town(tmp_path, 1) as house:
        agency = house.half_arrived()
        house.advance(4)
        agency.shake_hands(1)
        house.advance(0.5)
        agency.say(b"\x10")
        assert agency.connected
        house.advance(0.5)
        assert agency.heard() == [Error(Code.TIMEOUT, LATE)]
        assert not agency.connected
        assert failures(house) == [("WARNING", "TIMEOUT", LATE)]


def test_who_trickles_is_late_as_who_is_silent(tmp_path: Path) -> None:
    """Also in plain text, in either dialect; and it has another grace to close at most."""
    with House(tmp_path, frame_timeout=1000.0, silence=0.0) as house:
        agencies = [house.arrive(), house.arrive(), house.arrive(classic.DIALECT)]
        for agency in agencies:
            agency.polite = False
        for index in range(9):
            agencies[1].say(b"\x10\0\x11\1\0\0\0\1\0"[index : index + 1])
            agencies[2].say(b"\1\0\x20abcdef"[index : index + 1])
            house.advance(0.5)
        assert all(agency.connected for agency in agencies)
        house.advance(0.5)
        assert agencies[0].heard() == agencies[1].heard() == [Error(Code.TIMEOUT, LATE)]
        assert agencies[2].bytes_heard() == b"\xff"
        house.advance(HELLO_SECONDS)
        assert not any(agency.connected for agency in agencies)
        # Who has said nothing at all is of no interest.
        levels = sorted(level for level, _, _ in failures(house))
        assert levels == ["DEBUG", "WARNING", "WARNING"]


def test_who_has_a_place_is_not_late(tmp_path: Path) -> None:
    """In either dialect, by whichever message it has taken it; nor who waits to be welcomed."""
    with House(tmp_path, agencies=5, rejoin=30.0) as house:
        first = house.greeted(1)
        classics = [house.arrive(classic.DIALECT), house.arrive(classic.DIALECT)]
        classics[0].say(classic_batch([ROWS[0]]))
        classics[1].say(b"\xff")
        house.children[0].stopped = True
        first.say(batch(ROWS))
        newer = house.arrive()
        newer.say(Hello(1))
        assert newer.heard() == []
        assert strangers(house) == 0
        house.advance(3 * HELLO_SECONDS)
        assert newer.connected
        assert all(agency.connected for agency in classics)
        house.children[0].stopped = False
        house.settle()
        assert len(newer.heard()) == 1


def test_who_comes_for_its_winners_is_not_late(tmp_path: Path) -> None:
    """Its place is in a draw that is over."""
    with House(tmp_path, agencies=1, rejoin=30.0) as house:
        agency = house.greeted(1)
        agency.say(End(0, NONCE))
        back = house.arrive()
        back.say(Hello(1, 1))
        house.advance(2 * HELLO_SECONDS)
        assert back.connected
        assert strangers(house) == 0
        back.say(Received(1, 0))


def test_who_was_refused_is_a_stranger_until_it_is_gone(tmp_path: Path) -> None:
    """It has no place; and nothing is said or logged a second time."""
    with House(tmp_path, agencies=1, close_grace=20.0) as house:
        house.greeted(1)
        full = house.arrive()
        full.polite = False
        full.say(Hello(2))
        assert strangers(house) == 1
        heard = full.heard()
        assert len(heard) == 1
        house.advance(HELLO_SECONDS)
        assert full.heard() == []
        assert [code for _, code, _ in failures(house)] == ["FULL"]
        full.close()
        assert strangers(house) == 0


# Not too many.


def test_the_oldest_stranger_makes_room(tmp_path: Path) -> None:
    """Aborted without a word; who has a place stays; the log has a number for all of them."""
    with House(tmp_path, agencies=3, strangers=2) as house:
        known = house.greeted(1)
        crowd = [house.arrive() for _ in range(5)]
        house.settle()
        assert [each.connected for each in crowd] == [False] * 3 + [True] * 2
        assert all(each.transport.aborted for each in crowd[:3])
        assert all(each.bytes_heard() == b"" for each in crowd)
        assert known.connected
        crowd[-1].say(Hello(2))
        assert len(crowd[-1].heard()) == 1
        house.advance(10)
        (line,) = house.log.of("strangers")
        assert (line["turned_away"], line["untold"]) == ("3", "0")
        assert house.log.of("probe") == []


def test_strangers_of_one_address(tmp_path: Path) -> None:
    """Whoever comes from one pushes out nobody but those from there; ports do not tell."""
    with House(tmp_path, strangers_per_address=1) as house:
        first, second = house.arrive(), house.arrive()
        house.settle()
        assert (first.connected, second.connected) == (False, True)


def test_room_for_those_who_are_known(tmp_path: Path) -> None:
    """Strangers have half of all connections at most, whatever they are allowed."""
    with House(tmp_path, connections=6, strangers=100) as house:
        crowd = [house.arrive() for _ in range(5)]
        house.settle()
        assert [each.connected for each in crowd] == [False, False, True, True, True]


def test_all_connections_are_taken(tmp_path: Path) -> None:
    """Who comes then is turned away, and a stranger makes room for the next one."""
    with House(tmp_path, agencies=5, connections=4) as house:
        agencies = [house.greeted(number) for number in (1, 2, 3)]
        stranger = house.arrive()
        factory = house.central._factory
        assert factory.buildProtocol(None) is None
        house.settle()
        assert not stranger.connected
        assert len(house.greeted(4).transport.arrived) > 0
        assert all(agency.connected for agency in agencies)
        house.advance(10)
        assert [each["turned_away"] for each in house.log.of("strangers")] == ["2"]


def test_a_flood_of_nonsense(tmp_path: Path) -> None:
    """Not a line for each; but an agency with a place has its line, however many there were."""
    with House(tmp_path, agencies=2) as house:
        agency = house.greeted(1)
        allowance = house.central._factory.strangers._lines
        while allowance.take(house.reactor.seconds()):
            pass
        house.arrive().say(b"\0")
        house.half_arrived().break_off(SSL.Error([("", "", "wrong")]))
        late = house.half_arrived()
        house.central._factory.strangers.gone(late.transport._protocol)  # type: ignore[arg-type]
        late.transport._protocol.too_late()  # type: ignore[attr-defined]
        house.settle()
        assert failures(house) == []
        agency.say(b"\0")
        assert [each["code"] for each in house.log.of("agency")] == ["PROTO"]
        house.advance(10)
        (line,) = house.log.of("strangers")
        assert line["untold"] == "3"


# Who is not on the roster any more.


def told(agency: Agency) -> list[tuple[Code, str]]:
    """What it was told of its end."""
    return [(each.code, each.sentence) for each in agency.heard() if isinstance(each, Error)]


def test_removed(tmp_path: Path) -> None:
    """It is told, and its part is over; the others notice nothing."""
    with town(tmp_path, 1, 2, rejoin=30.0, agencies=9) as house:
        one, two = house.greeted(1), house.greeted(2)
        strikes(house, 2)
        assert told(one) == [(Code.AUTH, REMOVED)]
        assert not one.connected
        (line,) = house.log.of("agency")
        assert (line["level"], line["agency"], line["code"]) == ("WARNING", "1", "AUTH")
        two.say(End(0, NONCE))
        assert told(two) == []
        assert house.left_out(1) == {"1": REMOVED}
        two.say(Received(1, 0))


def test_removed_before_it_said_anything(tmp_path: Path) -> None:
    """Its handshake is over, so it is known who it would have been."""
    with town(tmp_path, 1, 2) as house:
        one, half = house.arrived_as(1), house.half_arrived()
        strikes(house, 2)
        assert told(one) == [(Code.AUTH, REMOVED)]
        assert failures(house) == [("WARNING", "AUTH", REMOVED)]
        assert half.connected
        half.shake_hands(1)
        assert told(half) == [(Code.AUTH, "its certificate is that of no agency")]


def test_removed_with_batches_in_hand(tmp_path: Path) -> None:
    """It is read no more; what is stored of them is acknowledged before it is told to go."""
    with town(tmp_path, 1, 2) as house:
        one = house.greeted(1)
        house.children[0].stopped = True
        one.say(batch(ROWS[:2]))
        strikes(house, 2)
        one.say(batch(ROWS[2:], 2))
        assert one.heard() == []
        house.children[0].stopped = False
        house.settle()
        assert one.heard() == [Ack(2), Error(Code.AUTH, REMOVED)]
        assert not one.connected
        house.greeted(2).say(End(0, NONCE))
        assert house.bets_csv() == "".join(f"1,{row}\n" for row in ROWS[:2])
        assert house.left_out(1) == {"1": REMOVED}
        house.agencies[-1].say(Received(1, 0))


def test_removed_with_its_end_in_the_writers_hands(tmp_path: Path) -> None:
    """If that is stored it has succeeded; but nobody is there who could be told its winners."""
    with town(tmp_path, 1, 2) as house:
        one = house.greeted(1)
        house.children[0].stopped = True
        one.say(End(0, NONCE))
        strikes(house, 2)
        house.children[0].stopped = False
        house.settle()
        assert one.heard() == [Ack(0, True), Error(Code.AUTH, REMOVED)]
        house.greeted(2).say(End(0, NONCE))
        assert house.left_out(1) == {}
        assert house.log.of("sorteo")[0]["agencies"] == "2"
        house.agencies[-1].say(Received(1, 0))


@pytest.mark.parametrize("hangs", ["peer", "writer", "both"])
def test_removed_and_out_in_half_a_second(tmp_path: Path, hangs: str) -> None:
    """Whether it does not close, or its writer does not answer."""
    with town(tmp_path, 1, 2, writer_timeout=1000.0) as house:
        one = house.greeted(1)
        one.polite = hangs == "writer"
        house.children[0].stopped = hangs != "peer"
        one.say(batch(ROWS))
        strikes(house, 2)
        house.advance(EXPELLED_SECONDS - 0.1)
        assert one.connected
        house.advance(0.1)
        assert not one.connected
        assert one.transport.aborted
        house.children[0].stopped = False
        house.settle()
        house.greeted(2).say(End(0, NONCE))
        assert house.left_out(1) == {"1": REMOVED}
        house.agencies[-1].say(Received(1, 0))


def test_removed_while_it_is_parted_with(tmp_path: Path) -> None:
    """It is told one thing only, and has no more time for it than others who are removed."""
    with town(tmp_path, 1, 2, writer_timeout=1000.0) as house:
        one = house.greeted(1)
        house.children[0].stopped = True
        one.say(batch(ROWS), b"\0")
        strikes(house, 2)
        assert [each["code"] for each in house.log.of("agency")] == ["PROTO"]
        house.advance(EXPELLED_SECONDS)
        assert not one.connected
        house.children[0].stopped = False
        house.settle()


def test_removed_while_it_is_told_its_winners(tmp_path: Path) -> None:
    """They are not delivered, and the log says why."""
    with town(tmp_path, 1) as house:
        one = house.greeted(1)
        one.say(End(0, NONCE))
        one.heard()
        strikes(house, 2)
        assert told(one) == [(Code.AUTH, REMOVED)]
        (result,) = house.log.of("consulta_ganadores")
        assert result["error"] == REMOVED


def test_another_certificate(tmp_path: Path) -> None:
    """Whoever has the old one is out; the agency may come back with the new one, and go on."""
    with town(tmp_path, 1, rejoin=30.0) as house:
        one = house.greeted(1)
        one.say(batch(ROWS[:1]))
        admission = house.central._door.admission
        roster = roster_of(1)
        (agency,) = roster.agencies.values()
        admission.roster = type(roster)(roster.agencies, {"uri:urn:lottery:agency:7": agency})
        house.central._factory.check_roster()
        house.settle()
        assert told(one) == [(Code.AUTH, CHANGED)]
        assert house.left_out(1) == {}
        back = house.arrived_as(7)
        back.say(Hello(1, 0, 1))
        assert len(back.heard()) == 1
        back.say(batch(ROWS[1:], 1), End(4, NONCE))
        assert Ack(4, True) in back.heard()
        back.say(Received(1, 0))
        assert house.left_out(1) == {}


def test_the_certificate_of_another_agency_now(tmp_path: Path) -> None:
    """Out: it is not the one any more that it said it was; and it may be the other one."""
    with town(tmp_path, 1, 2, rejoin=30.0) as house:
        one = house.greeted(1)
        admission = house.central._door.admission
        agencies = roster_of(2, 3).agencies
        marks = {"uri:urn:lottery:agency:1": agencies[2], "uri:urn:lottery:agency:3": agencies[3]}
        admission.roster = type(roster_of(1))(agencies, marks)
        house.central._factory.check_roster()
        house.settle()
        assert told(one) == [(Code.AUTH, REMOVED)]
        other = house.arrived_as(1)
        other.say(Hello(2))
        assert len(other.heard()) == 1


def test_who_stays_on_the_roster(tmp_path: Path) -> None:
    """Notices nothing, however often it is read again; nor does who has no certificate."""
    with town(tmp_path, 1, 2, allow_classic=True, agencies=3) as house:
        one, old = house.greeted(1), house.arrive(classic.DIALECT)
        old.say(classic_batch([ROWS[0]]))
        stranger = house.arrive()
        for _ in range(3):
            strikes(house, 1)
        one.say(batch(ROWS))
        assert one.heard() == [Ack(4)]
        old.say(classic_batch([ROWS[1]]))
        assert old.heard() == [ClassicStored()] * 2
        assert stranger.connected


def test_a_classic_agency_with_a_certificate(tmp_path: Path) -> None:
    """Over TLS it has one, though its dialect cannot say so; removed, it is out."""
    with town(tmp_path, 1, 2, allow_classic=True, agencies=3) as house:
        old = house.arrived_as(1, classic.DIALECT)
        old.say(classic_batch([ROWS[0]]))
        assert old.bytes_heard() == b"\2"
        strikes(house, 2)
        assert old.bytes_heard() == b"\xff"
        assert not old.connected


# The fake of TLS.


def test_a_fake_handshake_comes_first(tmp_path: Path) -> None:
    """Neither end hears the other before it; who closes within it can only abort."""
    with town(tmp_path, 1) as house:
        agency = house.half_arrived()
        transport = agency.transport
        assert isinstance(transport, FakeTlsTransport)
        agency.say(Hello(1))
        transport.write(b"later")
        house.settle()
        assert agency.bytes_heard() == b""
        other = house.half_arrived()
        other.transport.loseConnection()
        assert other.transport.aborted
        transport.loseConnection()
        assert not transport.aborted
        transport.write(b"too late")
        agency.shake_hands(1)
        assert agency.bytes_heard() == b"later"
        assert transport.shut
