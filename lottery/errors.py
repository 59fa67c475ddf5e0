"""Whose fault it is: the peer's, ours, the operator's or the disk's; and the stable codes.

A writer child imports this module and must be up in a blink, so nothing slow is
imported here (``attrs`` alone would double the time that a child needs to start).
"""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Why something was refused: the number on the wire, stable for ever.

    ``docs/protocol.md`` has the table with what to do about each.
    """

    PROTO = 1  # not a frame of this protocol, or of another version of it
    SIZE = 2  # a frame longer than the limit
    STATE = 3  # a legal frame at the wrong time
    AUTH = 4  # an agency that may not come in, or not as this one
    SEQ = 5  # a batch or a HELLO whose index does not follow what is stored
    CONFLICT = 6  # the same index with other content
    BATCH = 7  # the rows of a batch are not what its header or the format says
    FIELD = 8  # a field breaks its rule
    CLOSED = 9  # the draw takes no more bets
    FULL = 10  # all places of the draw are taken
    STORAGE = 11  # the central cannot store now
    TOTALS = 12  # END announces another count than is stored
    TIMEOUT = 13  # the agency was silent for too long, or late for the deadline
    TAKEN = 14  # another session has this agency's place
    LEFT_OUT = 15  # this agency has failed in this draw
    STOPPING = 16  # the central is being stopped
    BUSY = 17  # not now: the agency comes too often, or too early


class LotteryError(Exception):
    """Base of all errors that are told to somebody in a sentence.

    :cvar exit_status: that of a program which ends for it.
    """

    exit_status = 1


class RemoteProtocolError(LotteryError):
    """The peer broke the protocol.

    :ivar code: what to answer.
    :ivar sentence: what to mend, for a human being.
    """

    def __init__(self, code: Code, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class LocalProtocolError(LotteryError):
    """We tried to say what the protocol does not allow now: a bug of ours."""


class SettingsError(LotteryError):
    """A setting, an option or a file of settings that cannot be used."""

    exit_status = 2


class StartError(LotteryError):
    """The central cannot start: its directory is in use, its port is taken."""

    exit_status = 2


class Unreachable(StartError):
    """It cannot start now, and may later without anybody's doing: its database is away."""

    exit_status = 1


class DamagedLedger(LotteryError):
    """Stored bytes are not what was written.

    :ivar path: the damaged file.
    :ivar offset: where the damage begins, in bytes.
    """

    exit_status = 3

    def __init__(self, path: str, offset: int, sentence: str) -> None:
        super().__init__(f"{path} is damaged at byte {offset}, {sentence}")
        self.path = path
        self.offset = offset
