"""The defects of the original that only processes show; the others are in ``test_defects.py``.

==  =============================================================
22  the server left after the draw; late clients waited for ever
23  SIGTERM waited for a stalled client for ever
24  a signalled child counted as a complete agency
25  every fatal error ended with status 0
26  children inherited the listener and other clients' sockets
27  a quick restart could not take its port
==  =============================================================
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest
from classic_agency import ClassicAgency, Peer
from live import LiveAgency, LiveCentral, LiveProcess, documents, made_up, run_lottery, winning

pytestmark = pytest.mark.slow

ROWS = [*made_up(3), *made_up(1, number=7574)]


def whole_day(central: LiveCentral) -> None:
    """One classic agency ends the draw that is open, gets its winners, and closes."""
    with ClassicAgency(central.port) as agency:
        agency.batch(ROWS)
        agency.acknowledged()
        agency.end()
        assert agency.winners() == documents(winning(ROWS))


def test_defect_22_late_clients_are_served(tmp_path: Path) -> None:
    """The central goes on after a draw: who comes late takes part in the next one."""
    with LiveCentral(tmp_path, "--agencies", 1) as central:
        whole_day(central)
        central.drawn(1)
        (tmp_path / "late.csv").write_text("".join(f"{row}\n" for row in ROWS))
        with LiveAgency(tmp_path, central.port, 5, "late.csv") as late:
            assert late.wait() == 0, late.log
            assert late.winners() == winning(ROWS)
        central.drawn(2)
        assert central.running
        assert not central.matches("exited with code")


def test_defect_23_sigterm_does_not_wait_for_a_stalled_client(tmp_path: Path) -> None:
    """Status 0 within 5 seconds, and no child is left, whatever its clients do not do."""
    with LiveCentral(tmp_path, "--agencies", 4, "--writers", 2) as central:
        with (
            ClassicAgency(central.port) as within_a_frame,
            ClassicAgency(central.port) as waiting,
            ClassicAgency(central.port, receive_buffer=4096) as deaf,
            Peer(central.port),
        ):
            within_a_frame.batch(ROWS)
            within_a_frame.acknowledged()
            within_a_frame.header(5000)
            waiting.batch(ROWS)
            waiting.end()
            waiting.acknowledged()
            for _ in range(100):
                deaf.batch([])
            central.arrived(3)
            children = central.children
            assert len(children) == 2
            status, seconds = central.stop()
        assert status == 0
        assert seconds < 5
        assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def test_defect_24_a_signalled_child_is_no_complete_agency(tmp_path: Path) -> None:
    """SIGTERM is not a writer's business; one that is killed takes its agency out of the draw."""
    with LiveCentral(tmp_path, "--agencies", 2, "--writers", 2) as central:
        with ClassicAgency(central.port) as first, ClassicAgency(central.port) as second:
            first.batch(ROWS)
            first.acknowledged()
            (child,) = central.children
            os.kill(child, signal.SIGTERM)
            first.batch(ROWS)
            first.acknowledged()
            os.kill(child, signal.SIGKILL)
            first.refused()
            second.batch(ROWS)
            second.acknowledged()
            second.end()
            assert second.winners() == documents(winning(ROWS))
        line = central.wait_for(r"action: sorteo \| result: success .*")
        assert "agencies: 1 | left_out: 1" in line[0]
        central.wait_for(
            r"action: left_out .* agency: 1 \| reason: its writer was ended by signal 9"
        )


def test_defect_25_a_fatal_error_has_a_status(tmp_path: Path) -> None:
    """A port or a directory in use is status 2 and one sentence; a stop is said once."""
    with LiveCentral(tmp_path, "--agencies", 1) as central:
        port = f"tcp:{central.port}:interface=127.0.0.1"
        done = run_lottery("serve", "--listen", port, "--data-dir", tmp_path / "other")
        assert done.returncode == 2
        assert re.fullmatch(r"lottery: cannot listen, [^\n]+\n", done.stderr)
        done = run_lottery(
            "serve", "--listen", "tcp:0:interface=127.0.0.1", "--data-dir", central.data_dir
        )
        assert done.returncode == 2
        assert f"in use by process {central.pid}" in done.stderr
        assert central.stop()[0] == 0
        assert len(central.matches("action: shutdown")) == 1


def test_defect_26_children_inherit_no_socket(tmp_path: Path) -> None:
    """A writer holds pipes and its segment: neither the port nor anybody's connection."""
    with LiveCentral(tmp_path, "--agencies", 3, "--writers", 3) as central:
        peers = [ClassicAgency(central.port) for _ in range(3)]
        for peer in peers:
            peer.batch(ROWS)
            peer.acknowledged()
        children = central.children
        assert len(children) == 3
        for child in children:
            fds = os.listdir(f"/proc/{child}/fd")
            targets = [os.readlink(f"/proc/{child}/fd/{fd}") for fd in fds]
            assert not [target for target in targets if target.startswith("socket:")]
        # A connection that the central ends ends at once, though all the writers live.
        peers[0].batch(["nonsense"])
        peers[0].refused()
        for peer in peers:
            peer.close()


def test_defect_27_a_quick_restart_takes_its_port(tmp_path: Path) -> None:
    """Also while connections that the central closed itself still linger there."""
    with LiveCentral(tmp_path, "--agencies", 1) as central:
        port = central.port
        agency = ClassicAgency(port)
        agency.batch(ROWS)
        agency.acknowledged()
        assert central.stop()[0] == 0
        agency.refused()
        agency.close()
    listen = ("--listen", f"tcp:{port}:interface=127.0.0.1")
    command = (sys.executable, "-m", "lottery", "serve", *listen, "--agencies", "1")
    with LiveProcess([*command, "--data-dir", central.data_dir], tmp_path) as again:
        again.wait_for(rf"accept_connections \| result: in_progress \| .*port: {port}$")
        with socket.create_connection(("127.0.0.1", port)):
            pass
        assert again.stop()[0] == 0
