"""Gives each connection a session, and knows them all."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol

from lottery.central.admission import Admission
from lottery.central.draws import Draws
from lottery.central.patience import Patience
from lottery.central.session import AgencySession
from lottery.central.strangers import Strangers, origin_of
from lottery.central.terms import DrawTerms
from lottery.errors import Code
from lottery.ops.figures import Figures
from lottery.ops.log import ActionLog
from lottery.settings import CentralSettings


class AgencyFactory(Factory):
    """Where connections become sessions.

    :ivar draws: where an agency that comes is brought to.
    :ivar most_bets: of one agency, 0 for no limit.
    :ivar admission: who may come, and ``patience``: how long a peer has.
    :ivar stopped: whether nothing more is taken from anybody.
    :ivar strangers: the connections that nobody has said of whose they are.
    """

    noisy = False

    def __init__(
        self,
        draws: Draws,
        terms: DrawTerms,
        admission: Admission,
        settings: CentralSettings,
        reactor: IReactorTime,
        figures: Figures,
        log: ActionLog,
        connections_limit: int,
    ) -> None:
        """:param connections_limit: beyond as many, a peer is turned away unheard."""
        self.draws = draws
        self.terms = terms
        self.admission = admission
        self.patience = Patience(
            settings.hello_timeout, settings.frame_timeout, settings.close_grace
        )
        self.most_bets = settings.most_bets
        self.strangers = Strangers(
            reactor,
            settings.hello_timeout,
            # Those who are known have a share of their own, whoever else comes.
            min(settings.strangers, max(1, connections_limit // 2)),
            settings.strangers_per_address,
            log,
        )
        self.reactor = reactor
        self.log = log
        self.stopped = False
        self._figures = figures
        self._connections_limit = connections_limit
        self._sessions: set[AgencySession] = set()
        self._empty: Deferred[None] | None = None

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._sessions)

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """Give a connection its session; None, which closes it, if there are too many."""
        if len(self._sessions) >= self._connections_limit:
            # For the next one: a connection that is aborted is gone in the reactor's next turn.
            self.strangers.drop_oldest()
            self._figures.sessions["turned_away"] += 1
            self.strangers.turned_away(origin_of(getattr(addr, "host", None)))
            return None
        session = AgencySession()
        session.factory = self
        return session

    def opened(self, session: AgencySession) -> None:
        """Note a new session, of a stranger."""
        self._sessions.add(session)
        peer: object = session.transport.getPeer()  # type: ignore[union-attr]
        self.strangers.came(session, origin_of(getattr(peer, "host", None)))

    def closed(self, session: AgencySession) -> None:
        """Note the end of a session's connection."""
        self._sessions.discard(session)
        self._figures.sessions[session.outcome] += 1
        self.strangers.gone(session)
        if self._empty is not None and not self._sessions:
            empty, self._empty = self._empty, None
            empty.callback(None)

    def check_roster(self) -> None:
        """Part with those who are not on the roster any more."""
        for session in list(self._sessions):
            session.check_roster()

    def stop_reading(self) -> None:
        """Take nothing more from anybody."""
        self.stopped = True
        self.strangers.stop()
        for session in list(self._sessions):
            session.stop()

    def part(self, grace_seconds: float) -> Deferred[None]:
        """Part with everybody.

        :param grace_seconds: who has not closed by then is aborted.
        :returns: fires when the last connection is gone; never fails.
        """
        gone: Deferred[None] = Deferred()
        if not self._sessions:
            gone.callback(None)
            return gone
        self._empty = gone
        late = self.reactor.callLater(grace_seconds, self._abort)

        def in_time(_: None) -> None:
            if late.active():
                late.cancel()

        gone.addCallback(in_time)
        for session in list(self._sessions):
            session.fail(Code.STOPPING, "the central is being stopped")
        return gone

    def _abort(self) -> None:
        for session in list(self._sessions):
            session.abort()
