"""``lottery agency`` on a terminal, against a real central: what a person sees of a day."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from live import AGENCY, PATIENCE_SECONDS, LiveAgency, LiveCentral, environment, made_up, winning
from panes import Pane

pytestmark = pytest.mark.slow

BETS, WINNERS = 6000, 30
#: So that there is something to be seen of it.
SLOWLY = ("--window", 1, "--batch-size", 3)
FRAMES = re.compile("[╭├╰│]")
UTF8 = {"LC_ALL": "C.UTF-8"}


def rows() -> list[str]:
    """A file of bets, with winners whose names are a trial for terminals."""
    names = ("[red]Ana", "山田太郎山田太郎", "Jose\u0301 Ñandú", "A" * 64)
    return [
        f"{names[index % 4]},Paz,{20_000_000 + index},1990-05-17,7574"
        if index % (BETS // WINNERS) == 0
        else row
        for index, row in enumerate(made_up(BETS))
    ]


def agency_words(port: int, *options: object) -> list[object]:
    """The command of agency 1."""
    return [*AGENCY, "bets.csv", "--id", 1, "--server", f"127.0.0.1:{port}", *options]


def well_drawn(pane: Pane, lines: Sequence[str]) -> None:
    """No line is broken, none too long, and what is framed is framed on all sides."""
    assert all(len(line) <= pane.width for line in lines)
    assert list(lines) == pane.joined_lines
    framed = [line for line in lines if FRAMES.match(line)]
    assert all(line[-1] in "╮┤╯│" for line in framed)


def acknowledged(lines: Sequence[str]) -> int:
    """How many bets the terminal says are acknowledged."""
    found = re.match(r"([\d,]+) (of|bets) ", lines[2])
    assert found is not None, lines
    return int(found[1].replace(",", ""))


def until_some_is_stored(data_dir: Path) -> None:
    """Wait for a part of the bets: seen on the disk, for a busy machine shows it too late."""
    segment = data_dir / "draws" / "000001" / "segment-0001.log"
    limit = time.monotonic() + PATIENCE_SECONDS
    while not segment.exists() or segment.stat().st_size < 3000:
        assert time.monotonic() < limit, "nothing is stored"
        time.sleep(0.002)


@pytest.mark.parametrize("width", [80, 40])
def test_day(tmp_path: Path, width: int) -> None:
    """While it sends, while its central is away, while it waits, and its winners."""
    day = rows()
    (tmp_path / "bets.csv").write_text("".join(f"{row}\n" for row in day))
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "bets.csv").write_text("".join(f"{row}\n" for row in made_up(10)))
    options = ("--agencies", 2, "--draws", 1)
    with LiveCentral(tmp_path, *options, level="INFO") as central:
        port, data_dir = central.port, central.data_dir
        with Pane(tmp_path, agency_words(port, *SLOWLY), width=width, env=UTF8) as pane:
            until_some_is_stored(data_dir)
            central.send_signal(signal.SIGSTOP)
            lines = pane.until(lambda lines: lines[-1] == "0 bets/s")
            well_drawn(pane, lines)
            stored = acknowledged(lines)
            assert 0 < stored < BETS
            assert lines[1].endswith(f" {stored * 100 // BETS} %")
            assert re.search(rf"{stored:,} of (about |~)6,000 bets", lines[2])
            sent = re.search(r"([\d,]+) sent", lines[2])
            assert sent is None or int(sent[1].replace(",", "")) == stored + 3
            central.send_signal(signal.SIGKILL)
            assert central.wait() == -signal.SIGKILL
            lines = pane.until(
                lambda lines: re.search(r"again in \d+ s \| [2-9]", lines[-2]) is not None
            )
            well_drawn(pane, lines)
            assert lines[0].startswith("agency 1: no central at 127.0.0.1:")
            assert acknowledged(lines) >= stored
            assert "refused" in lines[-1]
            listen = ("--listen", f"tcp:{port}:interface=127.0.0.1")
            with LiveCentral(tmp_path, *listen, *options, data_dir=data_dir, plain=False) as again:
                lines = pane.until_seen("agency 1: waiting for draw 1")
                lines = pane.until(lambda lines: len(lines) == 4)
                well_drawn(pane, lines)
                assert lines[2] == "6,000 bets acknowledged"
                assert re.fullmatch(r"for \d+ s \| 1 reconn(ection|\.)", lines[3])
                second = tmp_path / "second"
                with LiveAgency(second, port, 2, "bets.csv") as other:
                    assert other.wait() == 0
                assert pane.ended() == 0
                assert again.wait() == 0
            lines = pane.lines
            well_drawn(pane, lines)
            assert pane.has_cursor
            assert pane.is_as_before
    won = winning(day)
    assert lines[0].startswith("agency 1: 30 winners | ")
    assert lines[0].endswith("number 7574")
    assert lines[1] == "6,000 bets acknowledged"
    assert re.fullmatch(r"sent in .* \| 1 reconn(ection|\.)", lines[2])
    table = [line for line in lines if FRAMES.match(line)]
    assert len(table) == 4 + 20
    for shown, row in zip(table[3:-1], won, strict=False):
        first, last, document, birthdate, number = row.split(",")
        assert shown.startswith(f"│ {document} │ ")
        if len(first) < 20:
            assert f"│ {first} {last} ".replace("Jose\u0301", "José") in shown
        assert shown.endswith(f"│ {birthdate} │   {number} │") == (width == 80)
    assert lines[-2:] == ["and 10 more in winners-1.csv", "status 0"]
    assert (tmp_path / "winners-1.csv").read_text().splitlines() == won


@pytest.mark.parametrize("way", ["C-c", "SIGTERM", "bad row", "resized"])
def test_ends(tmp_path: Path, way: str) -> None:
    """However it ends, the terminal is as it was, and what is to be seen is whole."""
    day = made_up(100)
    (tmp_path / "bets.csv").write_text("".join(f"{row}\n" for row in day))
    if way == "bad row":
        (tmp_path / "bets.csv").write_text("".join(f"{row}\n" for row in day) + "x,y,z,1,2\n")
    with LiveCentral(tmp_path, "--agencies", 2, level="INFO") as central:
        words = ["sh", "-c", 'echo $$ >pid; exec "$@"', "sh", *agency_words(central.port)]
        with Pane(tmp_path, words, width=80, env=UTF8) as pane:
            if way == "bad row":
                assert pane.ended() == 1
                text = "".join(pane.joined_lines)
                assert " ERROR    action: read_input | result: fail | client_id: 1 | " in text
                assert text.index("line: 101") < text.index("agency 1: failed | ")
                outcome = "failed"
            else:
                pane.until_seen("agency 1: waiting for draw 1")
                if way == "resized":
                    pane.resize(40)
                    pane.until(lambda lines: lines[-4:-3] == ["agency 1: waiting for draw 1"])
                    pane.resize(100)
                    pane.until_seen("agency 1: waiting for draw 1 at 127.0.0.1:")
                    pane.press("C-c")
                elif way == "C-c":
                    pane.press("C-c")
                else:
                    os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
                assert pane.ended() == 0
                outcome = "stopped"
            assert [line for line in pane.lines if line.startswith(f"agency 1: {outcome} | ")]
            assert pane.has_cursor
            assert pane.is_as_before


@pytest.mark.parametrize(
    ("env", "options"),
    [
        ({**UTF8, "TERM": "dumb"}, ()),
        ({**UTF8, "TERM": ""}, ()),
        (UTF8, ("--log-level", "DEBUG")),
        (UTF8, ("--log-format", "json")),
        (UTF8, ("--json",)),
    ],
)
def test_plain(tmp_path: Path, env: dict[str, str], options: Sequence[str]) -> None:
    """A terminal that cannot show it, or a person who wants lines, gets lines."""
    (tmp_path / "bets.csv").write_text("".join(f"{row}\n" for row in made_up(10)))
    with LiveCentral(tmp_path, "--agencies", 1, "--draws", 1, level="INFO") as central:
        # tmux has a TERM of its own for whatever it runs.
        words = ["env", f"TERM={env.get('TERM', 'screen')}", *agency_words(central.port, *options)]
        with Pane(tmp_path, words, width=200, env=env) as pane:
            assert pane.ended() == 0
            text = "\n".join(pane.lines)
        assert central.wait() == 0
    assert "consulta_ganadores" in text
    assert "agency 1:" not in text
    assert "━" not in text


@pytest.mark.parametrize("way", ["file", "pipe"])
def test_no_terminal(tmp_path: Path, way: str) -> None:
    """Into a file or a pipe go the lines of the log, and no control character but LF."""
    (tmp_path / "bets.csv").write_text("".join(f"{row}\n" for row in rows()))
    with LiveCentral(tmp_path, "--agencies", 1, "--draws", 1, level="INFO") as central:
        words = list(map(str, agency_words(central.port)))
        env = environment({**UTF8, "TERM": "xterm-256color", "FORCE_COLOR": "1"})
        with (tmp_path / "log").open("wb") as file:
            done = subprocess.run(
                words,
                cwd=tmp_path,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file if way == "file" else subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE_SECONDS,
            )
        assert done.returncode == 0
        assert central.wait() == 0
    said = (tmp_path / "log").read_bytes() if way == "file" else done.stdout
    assert said.count(b"\n") == 4
    assert not [byte for byte in said if (byte < 0x20 and byte != 0x0A) or byte == 0x7F]


def test_terminal_that_takes_nothing(tmp_path: Path) -> None:
    """After Ctrl-S, the errand goes on and ends all the same."""
    (tmp_path / "bets.csv").write_text("".join(f"{row}\n" for row in made_up(100)))
    second = tmp_path / "second"
    second.mkdir()
    (second / "bets.csv").write_text("".join(f"{row}\n" for row in made_up(100)))
    with LiveCentral(tmp_path, "--agencies", 2, "--draws", 1, level="INFO") as central:
        master, slave = os.openpty()
        process = subprocess.Popen(
            list(map(str, agency_words(central.port))),
            cwd=tmp_path,
            env=environment({**UTF8, "TERM": "xterm-256color"}),
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=subprocess.STDOUT,
        )
        try:
            central.wait_for(r"apuesta_recibida \| result: success \| agency: 1 ")
            assert select.select([master], [], [], PATIENCE_SECONDS)[0]
            termios.tcflow(slave, termios.TCOOFF)  # what Ctrl-S does
            with LiveAgency(second, central.port, 2, "bets.csv") as other:
                assert other.wait() == 0
            central.wait_for(r"consulta_ganadores \| result: success \| draw: 1 \| agency: 1 ")
            assert process.wait(PATIENCE_SECONDS) == 0
            assert central.wait() == 0
        finally:
            process.kill()
            process.wait()
            os.close(slave)
            os.close(master)
    assert (tmp_path / "winners-1.csv").read_bytes() == b""


def test_plain_starts_fast() -> None:
    """Whoever has no terminal does not wait for what draws on it."""
    program = (
        "import sys, lottery.command.agency, lottery.agency.sessions\n"
        "sys.exit(any(name.split('.')[0] == 'rich' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], env=environment()).returncode == 0
