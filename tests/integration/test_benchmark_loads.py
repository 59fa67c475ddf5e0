"""``benchmarks``: small loads on every server, without a look at the time that they take."""

from __future__ import annotations

from pathlib import Path

import load
import pytest
import servers
from live import run_lottery
from measures import QUIET, Sampler, StallProbe, measure
from streams import CLASSIC, LOTTERY1, stream_of

from lottery.ledger.reading import SegmentReading

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("window", [0, 1, 3])
@pytest.mark.parametrize(
    ("server", "dialect"), [("central", CLASSIC), ("central", LOTTERY1), ("baseline", CLASSIC)]
)
def test_a_load(tmp_path: Path, server: str, dialect: str, window: int) -> None:
    """All bets are acknowledged, all winners told, and nothing is left."""
    found = measure(server, tmp_path, stream_of(dialect, 300, 70), 3, window)
    assert found.played.bets == 900
    assert len(found.played.latencies) == (15 if window else 0)
    assert found.draw >= 0
    assert found.rate > 0
    assert found.peak_bytes > 1 << 20 or server != "central"
    assert bool(found.flushes) is (server == "central")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dialect", [CLASSIC, LOTTERY1])
def test_bets_in_runs_are_audited(tmp_path: Path, dialect: str) -> None:
    """Who sends without a window makes the longest records that there are."""
    with servers.central(tmp_path, 2, *QUIET) as server:
        load.play(server.port, stream_of(dialect, 20_000, 140), 2)
    audited = run_lottery("audit", tmp_path / "data")
    assert audited.returncode == 0, audited.stdout
    records = SegmentReading(tmp_path / "data/draws/000001/segment-0001.log", 1, 1)
    assert max(record.length for record, _ in records) > 0xFFFF


def test_the_sink(tmp_path: Path) -> None:
    """It acknowledges what it got when all of it is there."""
    found = measure("sink", tmp_path, stream_of(CLASSIC, 300, 70), 3)
    assert (found.played.bets, found.played.draw_seconds) == (900, None)


def test_no_flush(tmp_path: Path) -> None:
    """The flushes are counted all the same."""
    assert measure("central", tmp_path, stream_of(CLASSIC, 9, 9), 1, flushes=False).flushes


def test_what_looks_at_a_server(tmp_path: Path) -> None:
    """The probe is answered, the sampler sees every process, the server may be killed."""
    stream = stream_of(CLASSIC, 300, 70)
    with servers.central(tmp_path, 3, *QUIET) as server:
        with StallProbe(server.port) as probe, Sampler(server) as sampler:
            load.play(server.port, stream, 2, ends=False)
            while not (probe.knocks and sampler.samples):
                pass
        assert probe.longest(0.0, float("inf")) > 0
        assert server.process.pid in sampler.samples[0][2]
        server.kill()


def test_a_wrong_answer(tmp_path: Path) -> None:
    """A load on a server that refuses a batch is no measurement."""
    stream = stream_of(CLASSIC, 10, 10)
    spoiled = stream._replace(frames=stream.frames.replace(b"7574", b"abcd"))
    with servers.central(tmp_path, 1, *QUIET) as server, pytest.raises(load.Fault):
        load.play(server.port, spoiled, 1)
