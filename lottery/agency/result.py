"""What came of an errand, for programs."""

from __future__ import annotations

import json
from pathlib import Path

from attrs import asdict, define


@define
class Result:
    """What is known of an errand so far, and in the end what came of it.

    :ivar agency: whose errand it is.
    :ivar output: where the winning rows go; they are there only if ``result`` is ``success``.
    :ivar result: ``success``, ``fail``, or ``stopped`` by a signal.
    :ivar draw: number of the draw that the agency was last welcomed to.
    :ivar sessions: how often it was welcomed.
    :ivar bets: how many of its bets are on the central's disk, as the central says.
    :ivar skipped: rows of the file that were left out.
    :ivar winning_number: and ``winners``, how many winning rows there are, if it succeeded.
    :ivar code: of the protocol, and ``error`` in words, if it failed.
    :ivar line: of the file of bets, and ``field`` by its name, if a row is the reason.
    """

    agency: int
    output: Path
    result: str = "stopped"
    draw: int | None = None
    sessions: int = 0
    bets: int = 0
    skipped: int = 0
    winning_number: int | None = None
    winners: int | None = None
    code: str | None = None
    error: str | None = None
    line: int | None = None
    field: str | None = None

    def to_json(self) -> str:
        """Give all of it as one JSON object of ASCII on one line, without the line's end."""
        return json.dumps({**asdict(self), "output": str(self.output)})
