"""``lottery.central.factory``: a session for each connection, and the end of all of them."""

from __future__ import annotations

from pathlib import Path

from central_fakes import House
from twisted.internet.interfaces import IProtocolFactory
from zope.interface.verify import verifyObject

from lottery.central.factory import AgencyFactory
from lottery.central.session import AgencySession
from lottery.errors import Code
from lottery.wire.messages import Ack, Error, Hello

STOPPING = Error(Code.STOPPING, "the central is being stopped")


def factory_of(house: House) -> AgencyFactory:
    """The house's factory."""
    factory = house.endpoint.factory
    assert isinstance(factory, AgencyFactory)
    return factory


def grace_runs(house: House) -> bool:
    """Whether the clock of a parting is still there."""
    return factory_of(house)._abort in [call.func for call in house.reactor.getDelayedCalls()]


def test_face(tmp_path: Path) -> None:
    """It is a factory, and a quiet one: the log says where the central listens."""
    with House(tmp_path) as house:
        verifyObject(IProtocolFactory, factory_of(house))
        assert not factory_of(house).noisy


def test_a_session_for_each_connection(tmp_path: Path) -> None:
    """It knows them as long as they are connected."""
    with House(tmp_path) as house:
        factory = factory_of(house)
        first, second = house.arrive(), house.arrive()
        assert len(factory._sessions) == 2
        assert all(isinstance(session, AgencySession) for session in factory._sessions)
        first.close()
        assert len(factory._sessions) == 1
        second.reset()
        assert factory._sessions == set()


def test_too_many(tmp_path: Path) -> None:
    """Beyond the limit nobody is heard, until somebody has gone."""
    with House(tmp_path, connections=2, agencies=2) as house:
        first, _ = house.greeted(1), house.greeted(2)
        assert factory_of(house).buildProtocol(None) is None
        house.advance(10)
        assert house.log.of("strangers") == [
            {"level": "WARNING", "result": "fail", "turned_away": "1", "untold": "0", "ip": "-"}
        ]
        first.close()
        assert house.arrive().connected


def test_part_with_nobody(tmp_path: Path) -> None:
    """Done at once, and no clock is left."""
    with House(tmp_path) as house:
        gone: list[None] = []
        factory_of(house).part(1.5).addCallback(gone.append)
        assert gone == [None]
        assert house.reactor.getDelayedCalls() == []


def test_part_with_all(tmp_path: Path) -> None:
    """Everybody is told why; it is done when the last one has closed."""
    with House(tmp_path, agencies=2) as house:
        gone: list[None] = []
        agency, silent = house.greeted(1), house.arrive()
        agency.polite = silent.polite = False
        factory_of(house).part(1.5).addCallback(gone.append)
        house.settle()
        assert agency.heard() == silent.heard() == [STOPPING]
        agency.close()
        assert gone == []
        silent.close()
        assert gone == [None]
        assert not grace_runs(house)


def test_part_with_those_who_stay(tmp_path: Path) -> None:
    """Who has not closed when the grace is over is aborted."""
    with House(tmp_path, agencies=2) as house:
        gone: list[None] = []
        deaf = house.greeted(1)
        deaf.polite = False
        deaf.stop_reading()
        factory_of(house).part(1.5).addCallback(gone.append)
        house.advance(1)
        assert gone == []
        house.advance(0.5)
        assert gone == [None]
        assert deaf.transport.aborted
        assert not grace_runs(house)


def test_stop_reading(tmp_path: Path) -> None:
    """Nothing more is taken from anybody; what was taken is still acknowledged."""
    with House(tmp_path, agencies=2) as house:
        agency, other = house.greeted(1), house.arrive()
        house.children[0].stopped = True
        agency.say(b"\x11\0\x21" + bytes(8) + b"\0\1" + b"Ana,Gil,1,2000-01-01,7\n")
        factory_of(house).stop_reading()
        other.say(Hello(2))
        assert other.heard() == []
        assert not other.transport.reading
        house.children[0].stopped = False
        house.settle()
        assert agency.heard() == [Ack(1)]


def test_who_leaves_already_is_still_read(tmp_path: Path) -> None:
    """Else it would not be seen that the peer closes, and the stop would wait for nothing."""
    with House(tmp_path) as house:
        refused = house.arrive()
        refused.polite = False
        refused.say(b"\0")
        factory_of(house).stop_reading()
        refused.close()
        assert not refused.connected
