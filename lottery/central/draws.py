"""Which draw an agency belongs to: the open one, one that is being concluded, a former one."""

from __future__ import annotations

from collections.abc import Callable

from lottery.central.conclusion import Conclusion
from lottery.central.draw import Draw
from lottery.central.place import Participant
from lottery.errors import Code, DamagedLedger, RemoteProtocolError
from lottery.wire import classic
from lottery.wire.messages import OPEN_DRAW, Hello
from lottery.writer.seat import Seat


class Draws:
    """The draws of a central.

    :ivar open: the one that takes bets; None before the first and behind the last.
    :ivar unreceived: by agency, the latest draw whose winners it has not acknowledged.
    """

    def __init__(self, former: Callable[[int], Conclusion | None]) -> None:
        """:param former: gives a draw of the past by its number, if there was one; raises
        :class:`DamagedLedger` or :class:`OSError` if its record cannot be read.
        """
        self.open: Draw | None = None
        self.unreceived: dict[int, int] = {}
        self._former = former
        self._concluding: dict[int, Conclusion] = {}

    @property
    def concluding(self) -> list[Conclusion]:
        """Those that are closed and not yet at their end."""
        return list(self._concluding.values())

    def conclude(self, conclusion: Conclusion) -> None:
        """Note a draw that takes no more bets; its agencies' winners are due."""
        self._concluding[conclusion.number] = conclusion
        for agency, place in conclusion.places.items():
            if place.dialect != classic.DIALECT:  # there is no coming back in that one
                self.unreceived[agency] = conclusion.number

    def concluded(self, conclusion: Conclusion) -> None:
        """Note that a draw is at its end."""
        del self._concluding[conclusion.number]

    def received(self, agency: int, draw: int) -> None:
        """Note that an agency has acknowledged its winners of a draw."""
        if self.unreceived.get(agency) == draw:
            del self.unreceived[agency]

    def hello(self, hello: Hello, session: Participant) -> None:
        """Bring an agency that says who it is to where it is expected.

        :raises RemoteProtocolError: if it is expected nowhere.
        """
        where = self._find(hello)
        if where is None:
            raise RemoteProtocolError(Code.CLOSED, self._not_open(hello.draw))
        where.hello(hello, session)

    def classic(self, session: Participant) -> Seat:
        """Bring a classic agency, which cannot say who it is, to the open draw.

        :raises RemoteProtocolError: if it can have no place there.
        """
        if self.open is None:
            raise RemoteProtocolError(Code.CLOSED, self._not_open(0))
        return self.open.classic(session)

    def _find(self, hello: Hello) -> Draw | Conclusion | None:
        agency, wanted, opened = hello.agency, hello.draw, self.open
        if wanted == OPEN_DRAW:
            return opened
        if wanted == 0 and not (opened and not opened.closed and opened.knows(agency)):
            wanted = self.unreceived.get(agency, 0)
        if wanted == 0 or (opened is not None and not opened.closed and opened.number == wanted):
            return opened
        if wanted in self._concluding:
            return self._concluding[wanted]
        try:
            return self._former(wanted)
        except (DamagedLedger, OSError) as error:
            raise RemoteProtocolError(
                Code.STORAGE, f"the results of draw {wanted} cannot be read"
            ) from error

    def _not_open(self, wanted: int) -> str:
        opened = "none" if self.open is None else f"draw {self.open.number}"
        return f"draw {wanted} is not open, {opened} is" if wanted else "no draw is open"
