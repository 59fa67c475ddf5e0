"""The figures for Prometheus, as ``/metrics`` gives them; docs/operations.md has the list.

They are taken from where they are counted anyway when somebody asks: the library's own counters
would count everything twice, each time under a lock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from twisted.web.resource import Resource
from twisted.web.server import Request

from lottery.ledger.record import STATES
from lottery.ops.figures import TIME_BOUNDS, Figures, Times
from lottery.ops.views import CentralView
from lottery.ops.watch import DiskRoom

#: What may become of an agency in a draw, as in :class:`~lottery.ops.views.AgencyView`.
AGENCY_STATES = ("expected", "sending", "away", "ended", "left_out", "received", "unreceived")


class CentralMetrics(Collector):
    """The metrics of one central."""

    def __init__(
        self,
        view: Callable[[], CentralView],
        figures: Figures,
        room: Callable[[], DiskRoom | None],
        started: float,
    ) -> None:
        """:param room: gives what is known of the disk.

        :param started: when the central was, in seconds since the epoch.
        """
        self._view = view
        self._figures = figures
        self._room = room
        self._started = started

    def collect(self) -> Iterator[Metric]:
        """Give each metric with its values of now."""
        figures, view = self._figures, self._view()
        yield CounterMetricFamily("lottery_bets", "Bets acknowledged.", figures.bets)
        yield CounterMetricFamily("lottery_batches", "Batches acknowledged.", figures.batches)
        yield CounterMetricFamily(
            "lottery_refused_batches", "Batches refused, for good or for now.", figures.refused
        )
        sessions = CounterMetricFamily(
            "lottery_sessions", "Connections that ended, by how.", labels=["outcome"]
        )
        for outcome, count in sorted(figures.sessions.items()):
            sessions.add_metric([outcome], count)
        yield sessions
        yield _histogram(
            "lottery_acknowledgement_seconds",
            "From a batch at its writer to its acknowledgement.",
            figures.acknowledged,
        )
        yield _histogram("lottery_flush_seconds", "Flushes of the writers.", figures.flushed)
        queued = sum(writer.queue for writer in view.writers)
        yield _gauge("lottery_queue_bytes", "Orders that writers have not dealt with.", queued)
        yield _gauge("lottery_writers", "Writer processes.", len(view.writers))
        yield _gauge("lottery_connections", "Connections there are.", view.connections)
        yield from _draw(view)
        room = self._room()
        if room is not None:
            yield _gauge("lottery_ledger_bytes", "Files of the draw that is shown.", room.ledger)
            yield _gauge("lottery_disk_free_bytes", "Room left on their disk.", room.free)
        yield _gauge(
            "lottery_start_time_seconds", "When it was started, since the epoch.", self._started
        )


def _draw(view: CentralView) -> Iterator[Metric]:
    draw = view.draw
    if draw is None:
        return
    yield _gauge("lottery_draw", "Number of the draw that is shown.", draw.draw)
    yield _gauge("lottery_draw_places", "Its places.", draw.places)
    yield _gauge("lottery_draw_bets", "Its bets that are stored.", draw.bets)
    state = GaugeMetricFamily("lottery_draw_state", "1 for its state.", labels=["state"])
    for each in STATES:
        state.add_metric([each], float(each == draw.state))
    yield state
    agencies = GaugeMetricFamily(
        "lottery_agencies", "Agencies in it, by their state.", labels=["state"]
    )
    counts = Counter(agency.state for agency in view.agencies)
    for each in AGENCY_STATES:
        agencies.add_metric([each], counts[each])
    yield agencies


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _histogram(name: str, text: str, times: Times) -> Metric:
    buckets, total = [], 0
    for bound, count in zip((*map(str, TIME_BOUNDS), "+Inf"), times.counts, strict=True):
        total += count
        buckets.append((bound, total))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=times.total)


class Metrics(Resource):
    """``/metrics``."""

    isLeaf = True

    def __init__(self, central: CentralMetrics) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(central)

    def render_GET(self, request: Request) -> bytes:
        """Give all of them as text."""
        request.setHeader(b"content-type", CONTENT_TYPE_LATEST.encode())
        text: bytes = generate_latest(self._registry)
        return text
