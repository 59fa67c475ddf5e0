"""The strict reader of the containers' logs: it takes what is right, and nothing else."""

from __future__ import annotations

import pytest
from grammar import Line, lines_of

TIMES = [f"2026-11-25T13:50:5{second}.123456789Z" for second in range(3)]
HEAD = "2026-11-25 13:50:56 INFO     "
GOOD = "action: sorteo | result: success | draw: 1"


def logged(message: str, service: str = "server_1   | ", time: str = TIMES[0]) -> str:
    """A line as compose writes it."""
    return f"{service}{time} {message}\n"


def test_lines_in_order_of_time() -> None:
    """Of both versions of compose, with their ways; free text is no action."""
    log = (
        "Attaching to x_server_1\n"
        + logged(f"{HEAD}{GOOD}", time=TIMES[2])
        + logged(f"{HEAD}action: b | result: in_progress", "client1-1  | ", TIMES[0])
        + logged(f"{HEAD}action: c | result: fail", "\x1b[2Kserver-1  | ", TIMES[1])
        + logged("2026-11-25 13:50:56 CRITICAL Main loop: terminated")
    )
    assert lines_of(log) == [
        Line("client1", TIMES[0], "b", "in_progress", {}),
        Line("server", TIMES[1], "c", "fail", {}),
        Line("server", TIMES[2], "sorteo", "success", {"draw": "1"}),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "of nobody",
        logged(GOOD),
        logged(f"{HEAD}{GOOD}", time="2026-11-25T13:50:56Z"),
        logged(f"2026-11-25 13:50:56 INFO {GOOD}"),
        logged(f"2026-11-25 13:50:56,123 INFO     {GOOD}"),
        logged(f"2026-11-25 13:50:56 LOUD     {GOOD}"),
        logged(f"{HEAD}action: a | result: maybe"),
        logged(f"{HEAD}result: success | action: a"),
        logged(f"{HEAD}action: a | draw: 1 | result: success"),
        logged(f"{HEAD}action: a"),
        logged(f"{HEAD}{GOOD} | gone"),
        logged(f"{HEAD}{GOOD} | gone:"),
        logged(f"{HEAD}{GOOD} | gone: "),
        logged(f"{HEAD}{GOOD} | at: 10:30"),
        logged(f"{HEAD}{GOOD} | draw: 2"),
        logged(f"{HEAD}{GOOD} | source: x"),
        logged(f"{HEAD}{GOOD} | Name: x"),
        logged(f"{HEAD}{GOOD} | "),
    ],
)
def test_lines_that_break_it(text: str) -> None:
    """Each is an error that names the line."""
    with pytest.raises(ValueError, match=": '"):
        lines_of(text)
