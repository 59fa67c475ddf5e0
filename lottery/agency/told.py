"""The winning rows that the central tells: as many as announced, in order, and believable.

A central with a fault must not bring an agency to pay for a bet that has not won.
"""

from __future__ import annotations

import re

from lottery.bets import COLUMNS, has_won
from lottery.errors import Code, RemoteProtocolError
from lottery.wire.messages import Winners

_NUMBER = re.compile("[0-9]{1,4}")


class ToldWinners:
    """What is known of the winning rows after each frame of them.

    :ivar count: how many rows have been told.
    :ivar winning_number: the one that was told with them.
    :ivar total: of how many, None before the first frame.
    """

    def __init__(self) -> None:
        self.count = 0
        self.total: int | None = None
        self.winning_number = 0

    def hear(self, message: Winners, bets: int) -> None:
        """Take the next frame of winning rows.

        :param bets: how many bets the agency has in the draw.
        :raises RemoteProtocolError: if it cannot be, or not behind what was told before.
        """
        total, winning_number = message.total, message.winning_number
        if self.total is None:
            if total > bets:
                raise RemoteProtocolError(Code.TOTALS, f"{total} winners of {bets} bets are told")
            self.total, self.winning_number = total, winning_number
        if total != self.total:
            raise RemoteProtocolError(Code.TOTALS, "the number of winners changes as it is told")
        if winning_number != self.winning_number:
            raise RemoteProtocolError(Code.PROTO, "the winning number changes as it is told")
        count = message.rows.count(b"\n")
        if message.first != self.count or self.count + count > total:
            raise RemoteProtocolError(
                Code.SEQ,
                f"{count} winners from {message.first} on are told, after {self.count}, of {total}",
            )
        if not message.rows.endswith(b"\n") and (message.rows or total):
            raise RemoteProtocolError(Code.BATCH, "a part of a winning row is told")
        self._check_rows(message.rows)
        self.count += count

    def _check_rows(self, data: bytes) -> None:
        try:
            rows = data.decode().split("\n")[:-1]
        except UnicodeDecodeError:
            raise RemoteProtocolError(Code.BATCH, "a winning row is not UTF-8") from None
        for place, row in enumerate(rows, self.count + 1):
            fields = row.split(",")
            if len(fields) != COLUMNS:
                raise RemoteProtocolError(
                    Code.BATCH, f"winning row {place} has {len(fields)} fields, not {COLUMNS}"
                )
            number = fields[-1]
            if not _NUMBER.fullmatch(number) or not has_won(number, self.winning_number):
                raise RemoteProtocolError(
                    Code.FIELD, f"winning row {place} has not the number {self.winning_number}"
                )
