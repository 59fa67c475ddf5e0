"""The status page: a web site that shows a central, and the watch that has ready what it shows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.http import NOT_FOUND, OK, SERVICE_UNAVAILABLE
from twisted.web.resource import Resource

from lottery.ledger.face import Ledgers
from lottery.ops.api import Draws
from lottery.ops.archive import Archive, LongWork
from lottery.ops.figures import Figures
from lottery.ops.site import Folder, Sentence, StatusSite
from lottery.ops.streams import Events
from lottery.ops.views import Look
from lottery.ops.watch import DiskRoom, Shown, Watch, disk_room


class StatusConnections(WrappingFactory):
    """Bounds how many connections there are, and ends them all."""

    noisy = False

    def __init__(self, site: StatusSite, most: int) -> None:
        super().__init__(site)  # type: ignore[no-untyped-call]
        self._most = most

    def buildProtocol(self, addr: IAddress | None) -> ProtocolWrapper:
        """Give a connection its protocol; None, which closes it, if there are too many."""
        if len(self.protocols) >= self._most:
            return None  # type: ignore[return-value]
        return super().buildProtocol(addr)

    def close(self) -> None:
        """End all connections; who reads hears what was said last."""
        for each in list(self.protocols):
            each.loseConnection()

    def abort(self) -> None:
        """End all connections that are left, at once."""
        for each in list(self.protocols):
            each.abortConnection()


class StatusPage:
    """What shows a central.

    :ivar connections: the factory of those that look, to be listened with.
    """

    def __init__(
        self,
        look: Look,
        figures: Figures,
        ledgers: Ledgers,
        disk: LongWork,
        names: Callable[[], Mapping[int, str]],
        hosts: Collection[str],
        shown: Shown,
        most_connections: int,
        reactor: IReactorTime,
    ) -> None:
        """:param names: gives those of the agencies, as far as they are known.

        :param hosts: by which the page may be asked for, beside addresses and ``localhost``.
        """

        def measure(directory: Path) -> Deferred[DiskRoom]:
            work = disk.do("measure", lambda: disk_room(directory))
            return Deferred.fromCoroutine(work)

        self.watch = Watch(look, figures, shown, reactor, measure)
        site = StatusSite(hosts, reactor)
        archive = Archive(ledgers, names, documents=shown.documents)
        api = Folder()
        api.putChild(b"draws", Draws(archive, disk, reactor, documents=shown.documents))
        site.root.putChild(b"api", api)
        site.root.putChild(b"events", Events(self.watch, reactor))
        site.root.putChild(b"healthz", Sentence(lambda: (OK, "well")))
        site.root.putChild(b"readyz", Sentence(lambda: _ready(look.not_ready())))
        site.root.putChild(b"metrics", _metrics(figures, self.watch, reactor.seconds()))
        self.connections = StatusConnections(site, most_connections)

    def start(self) -> None:
        """Begin to watch."""
        self.watch.start()

    def stop(self) -> None:
        """Watch no more, and part with whoever looks; they are told how it ends."""
        self.watch.stop()
        self.watch.look()
        self.connections.close()

    def end(self) -> None:
        """Wait for nobody any more."""
        self.connections.abort()


def _ready(why_not: str) -> tuple[int, str]:
    return (SERVICE_UNAVAILABLE, why_not) if why_not else (OK, "ready")


def _metrics(figures: Figures, watch: Watch, started: float) -> Resource:
    try:
        from lottery.ops.metrics import CentralMetrics, Metrics
    except ImportError:
        sentence = "metrics need one more package: pip install 'lottery-central[metrics]'"
        return Sentence(lambda: (NOT_FOUND, sentence))
    return Metrics(CentralMetrics(watch.latest, figures, lambda: watch.room, started))
