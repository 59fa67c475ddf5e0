"""Which draw an agency belongs to: the open one, one that is being concluded, a former one."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakValueDictionary

from twisted.internet.interfaces import IReactorTime

from lottery.central.conclusion import Conclusion
from lottery.central.draw import Draw
from lottery.central.place import Participant, Place
from lottery.central.reconnects import Reconnects
from lottery.central.terms import DrawTerms
from lottery.errors import Code, DamagedLedger, RemoteProtocolError
from lottery.ledger.face import DrawLedger, Ledgers
from lottery.ledger.record import AgencyPart, DrawRecord
from lottery.ledger.standing import Standing
from lottery.ops.log import ActionLog
from lottery.wire import classic
from lottery.wire.messages import OPEN_DRAW, Hello
from lottery.writer.disk import DiskWork
from lottery.writer.seat import Seat


class Draws:
    """The draws of a central.

    :ivar open: the one that takes bets; None before the first and behind the last.
    :ivar latest: the one that has closed last since the central was started.
    :ivar unreceived: by agency, the latest draw whose winners it has not acknowledged.
    """

    def __init__(
        self,
        ledgers: Ledgers,
        clock: IReactorTime,
        terms: DrawTerms,
        disk: DiskWork,
        reconnects: Reconnects,
        log: ActionLog,
    ) -> None:
        self.open: Draw | None = None
        self.latest: Conclusion | None = None
        self.unreceived: dict[int, int] = {}
        self._ledgers = ledgers
        self._clock = clock
        self.terms = terms
        self._disk = disk
        self._reconnects = reconnects
        self._log = log
        self._concluding: dict[int, Conclusion] = {}
        # As long as somebody is told its winners of one, others come to the same: two that
        # publish who has received them must know of each other.
        self._past: WeakValueDictionary[int, Conclusion] = WeakValueDictionary()

    @property
    def concluding(self) -> list[Conclusion]:
        """Those that are closed and not yet at their end."""
        return list(self._concluding.values())

    def conclude(self, conclusion: Conclusion) -> None:
        """Note a draw that takes no more bets; its agencies' winners are due."""
        self._concluding[conclusion.number] = self.latest = conclusion
        for agency, place in conclusion.places.items():
            if place.dialect != classic.DIALECT:  # there is no coming back in that one
                latest = max(conclusion.number, self.unreceived.get(agency, 0))
                self.unreceived[agency] = latest

    def concluded(self, conclusion: Conclusion) -> None:
        """Note that a draw is at its end."""
        del self._concluding[conclusion.number]
        self._past[conclusion.number] = conclusion

    def conclusion(
        self, ledger: DrawLedger, record: DrawRecord, places: Iterable[Place] | None = None
    ) -> Conclusion:
        """Make what concludes a draw.

        :param places: those of the agencies that succeeded; None: an earlier process had
            them, and nobody speaks for them at present.
        """
        if places is None:
            places = [self._restored(part) for part in record.succeeded]

        def received(agency: int) -> None:
            self.received(agency, record.draw)

        return Conclusion(
            ledger, record, places, self._clock, self.terms, self._disk, received, self._log
        )

    def received(self, agency: int, draw: int) -> None:
        """Note that an agency has acknowledged its winners of a draw."""
        if self.unreceived.get(agency) == draw:
            del self.unreceived[agency]

    def hello(self, hello: Hello, session: Participant) -> None:
        """Bring an agency that says who it is to where it is expected.

        :raises RemoteProtocolError: if it is expected nowhere, or comes too often.
        """
        self._reconnects.comes(hello.agency)
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
        if wanted == 0 and not (opened and not opened.closed and agency in opened.taken):
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

    def _former(self, number: int) -> Conclusion | None:
        """Give a draw that is at its end, if there was one of this number.

        :raises DamagedLedger: if its record is damaged.
        :raises OSError: if its record cannot be read.
        """
        past = self._past.get(number)
        if past is not None:
            return past
        ledger = self._ledgers.find(number)
        if ledger is None:
            return None
        past = self._past[number] = self.conclusion(ledger, ledger.read())
        return past

    def _restored(self, part: AgencyPart) -> Place:
        place = Place(self._clock, self.terms.rejoin)
        place.restore(part.agency, part.dialect, Standing(part.bets, part.crc32, ended=True))
        return place

    def _not_open(self, wanted: int) -> str:
        opened = "none" if self.open is None else f"draw {self.open.number}"
        return f"draw {wanted} is not open, {opened} is" if wanted else "no draw is open"
