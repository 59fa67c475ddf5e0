"""``lottery.ops.metrics``: what Prometheus reads is what the central counts."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
from central_fakes import House
from prometheus_client.parser import text_string_to_metric_families
from status_rig import Watched
from test_ops_api import NUMBERS, day

from lottery.ledger.record import STATES
from lottery.ops.metrics import AGENCY_STATES


def metrics_of(watched: Watched) -> dict[tuple[str, str], float]:
    """Each sample by its name and what tells it from others of the name."""
    watched.house.advance(1)  # what was seen last is told
    said = watched.ask("/metrics")
    assert said.headers["content-type"].startswith("text/plain; version=")
    found = {}
    for family in text_string_to_metric_families(said.body.decode()):
        assert family.documentation.endswith(".")
        for sample in family.samples:
            found[(sample.name, ",".join(sample.labels.values()))] = sample.value
    return found


def test_a_day(tmp_path: Path) -> None:
    """Bets, batches, sessions, times and states after a draw and in the middle of the next."""
    with House(tmp_path, agencies=2, rejoin=0) as house:
        watched = Watched(house)
        before = metrics_of(watched)
        assert before["lottery_bets_total", ""] == 0
        assert before["lottery_draw_state", "open"] == 1
        day(house, 1, *NUMBERS)
        after = metrics_of(watched)
        assert after["lottery_bets_total", ""] == 5
        assert after["lottery_batches_total", ""] == 2
        assert after["lottery_refused_batches_total", ""] == 0
        assert after["lottery_sessions_total", "done"] == 1
        assert after["lottery_sessions_total", "left_out"] == 1
        assert after["lottery_acknowledgement_seconds_count", ""] == 2
        assert after["lottery_flush_seconds_count", ""] > 0
        assert after["lottery_draw", ""] == 1
        assert after["lottery_draw_state", "delivered"] == 1
        assert after["lottery_draw_state", "open"] == 0
        assert after["lottery_draw_bets", ""] == 5
        assert after["lottery_agencies", "received"] == 1
        assert after["lottery_agencies", "left_out"] == 1
        assert after["lottery_writers", ""] == 0
        agency = house.greeted(7)
        during = metrics_of(watched)
        assert during["lottery_draw", ""] == 2
        assert during["lottery_agencies", "sending"] == 1
        assert during["lottery_connections", ""] == 1
        assert during["lottery_writers", ""] == 1
        assert {name for _, name in during} >= {*STATES, *AGENCY_STATES}
        agency.close()


def test_a_refused_batch(tmp_path: Path) -> None:
    """It counts, and so does the session that ended with it."""
    with House(tmp_path, agencies=2) as house:
        watched = Watched(house)
        from lottery.wire.messages import Batch

        house.greeted(1).say(Batch(0, 1, b"Ana,Gil,x,2000-01-01,7\n"))
        found = metrics_of(watched)
        assert found["lottery_refused_batches_total", ""] == 1
        assert found["lottery_sessions_total", "field"] == 1


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says what to install; all the rest is there."""
    true_import = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "lottery.ops.metrics":
            raise ImportError(name)
        return true_import(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with House(tmp_path) as house:
        watched = Watched(house)
        said = watched.ask("/metrics")
        assert said.code == 404
        assert b"pip install 'lottery-central[metrics]'" in said.body
        assert watched.ask("/healthz").code == 200
