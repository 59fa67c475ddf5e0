"""``lottery.central.door``: where the central listens, and who can reach it there."""

from __future__ import annotations

import pytest
from central_fakes import MemoryEndpoint
from fakes import MemoryLog
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.protocol import Factory

from lottery.central.admission import Admission
from lottery.central.door import Door, Listener, is_beyond_host
from lottery.central.roster import Agency, Roster
from lottery.errors import StartError

LOCAL = IPv4Address("TCP", "127.0.0.1", 12345)
OPEN = IPv4Address("TCP", "0.0.0.0", 12346)
ROSTER = Roster({1: Agency(1, "One")}, {})


def endpoints(*addresses: IAddress) -> list[MemoryEndpoint]:
    """Endpoints that listen at these."""
    return [MemoryEndpoint(address=address) for address in addresses]


def door(
    places: list[MemoryEndpoint], roster: Roster | None = None, *, insecure: bool = False
) -> Door:
    """A door with a listener at each."""
    return Door([Listener(each) for each in places], Admission(roster), insecure=insecure)


def why_not(closed: Door, log: MemoryLog) -> str:
    """Why a door cannot be opened; nothing was said to be open."""
    with pytest.raises(StartError) as error:
        closed.open(Factory(), log)
    assert log.lines == []
    return str(error.value)


def test_it_listens_everywhere() -> None:
    """With the sessions' factory as it is; each place has its line, in order."""
    places = endpoints(LOCAL, IPv6Address("TCP", "::1", 7), UNIXAddress(b"/run/lottery"))
    sessions, log = Factory(), MemoryLog()
    opened = door(places)
    opened.open(sessions, log)
    assert [each.factory for each in places] == [sessions] * 3
    assert opened.ports == [each.port for each in places]
    assert [
        (each["result"], each["ip"], each["port"]) for each in log.of("accept_connections")
    ] == [
        ("in_progress", "127.0.0.1", "12345"),
        ("in_progress", r"\x3a\x3a1", "7"),
        ("in_progress", str(places[2].port.address), "0"),
    ]


def test_what_goes_between() -> None:
    """A listener may put something between the connections and their sessions."""
    plain, covered = endpoints(LOCAL, LOCAL)
    sessions, cover = Factory(), Factory()
    seen: list[IProtocolFactory] = []

    def over(factory: IProtocolFactory) -> IProtocolFactory:
        seen.append(factory)
        return cover

    Door([Listener(plain), Listener(covered, over)], Admission()).open(sessions, MemoryLog())
    assert plain.factory is sessions
    assert covered.factory is cover
    assert seen == [sessions]


def test_where_it_cannot_listen() -> None:
    """The first reason is told; what is open by then can be closed."""
    good, later = endpoints(LOCAL, LOCAL)
    bad = MemoryEndpoint(CannotListenError("127.0.0.1", 12345, OSError(98, "Address in use")))
    worse = MemoryEndpoint(OSError("something else"))
    closed = door([good, bad, worse, later])
    sentence = why_not(closed, MemoryLog())
    assert sentence.startswith("cannot listen, ")
    assert "Address in use" in sentence
    closed.close()
    assert not good.port.listening
    assert not later.port.listening


# Open or closed, never by accident.


@pytest.mark.parametrize(
    ("address", "beyond"),
    [
        (IPv4Address("TCP", "127.0.0.1", 1), False),
        (IPv4Address("TCP", "127.8.9.10", 1), False),
        (IPv4Address("TCP", "0.0.0.0", 1), True),
        (IPv4Address("TCP", "10.0.0.1", 1), True),
        (IPv4Address("TCP", "192.168.1.7", 1), True),
        (IPv4Address("TCP", "169.254.0.1", 1), True),
        (IPv6Address("TCP", "::1", 1), False),
        (IPv6Address("TCP", "::", 1), True),
        (IPv6Address("TCP", "::ffff:127.0.0.1", 1), False),
        (IPv6Address("TCP", "::ffff:0.0.0.0", 1), True),
        (IPv6Address("TCP", "::ffff:10.0.0.1", 1), True),
        (IPv6Address("TCP", "fe80::1%eth0", 1), True),
        (IPv6Address("TCP", "::1%lo", 1), False),
        (IPv6Address("TCP", "2001:db8::1", 1), True),
        (UNIXAddress(b"/run/lottery"), False),
        (UNIXAddress(None), False),
    ],
)
def test_who_can_reach_it(address: IAddress, beyond: bool) -> None:
    """Another host can, unless it is the loopback's, or no address of a network."""
    assert is_beyond_host(address) is beyond


def test_beyond_the_host_without_a_roster() -> None:
    """It does not open: one such place among others is enough, and is the one that is named."""
    closed = door(endpoints(LOCAL, OPEN, LOCAL))
    assert why_not(closed, MemoryLog()) == (
        "0.0.0.0 port 12346 is open to whoever reaches it, "
        "and without --roster that takes --insecure"
    )
    closed.close()
    assert not any(port.listening for port in closed.ports)  # type: ignore[attr-defined]


def test_beyond_the_host_on_purpose() -> None:
    """Whoever says so may be open to everybody."""
    log = MemoryLog()
    door(endpoints(LOCAL, OPEN), insecure=True).open(Factory(), log)
    assert [each["ip"] for each in log.of("accept_connections")] == ["127.0.0.1", "0.0.0.0"]


def test_beyond_the_host_with_a_roster() -> None:
    """Nobody gets in who is not on it, so it needs no such word."""
    places = endpoints(OPEN)
    door(places, ROSTER).open(Factory(), MemoryLog())
    assert places[0].factory is not None


def test_what_counts_is_where_it_listens() -> None:
    """Not what was asked for: a name may be any address, and a socket may be somebody else's."""
    place = MemoryEndpoint(address=LOCAL)
    place.port.address = OPEN
    with pytest.raises(StartError, match=r"^0\.0\.0\.0 port 12346 is open"):
        door([place]).open(Factory(), MemoryLog())


# Closing.


def test_close() -> None:
    """Done when the last port is; one that fails to close holds nothing up."""
    places = endpoints(LOCAL, LOCAL, LOCAL)
    slow: Deferred[None] = Deferred()
    odd: Deferred[None] = Deferred()
    places[1].port.slow, places[2].port.slow = slow, odd
    opened = door(places)
    opened.open(Factory(), MemoryLog())
    closed: list[object] = []
    opened.close().addBoth(closed.append)
    assert not any(each.port.listening for each in places)
    odd.errback(OSError("the port is odd"))
    assert closed == []
    slow.callback(None)
    assert closed == [None]


def test_close_what_was_never_open() -> None:
    """Nothing to do."""
    closed: list[object] = []
    door(endpoints(LOCAL)).close().addBoth(closed.append)
    assert closed == [None]


def test_what_it_is_made_of() -> None:
    """Who may come in, and how to read again who may; both for others to use."""
    admission = Admission(ROSTER)
    plain = Door([], admission)
    assert plain.admission is admission
    assert plain.read_again is None
    read_again = lambda: lambda: None
    assert Door([], admission, read_again).read_again is read_again
