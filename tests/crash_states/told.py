"""What had been told to whom at a moment of a trace, and so has to outlive any crash.

Three things tell. A writer that answers its parent says so of all that it has written to its
segment. The central tells agencies, by what it sends to them. And it logs the draw.
The bytes of the wire are read as in ``docs/protocol.md``.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

from disk_model import Disk, File
from ledger_reader import END, ROWS, records_in
from strace_text import Call, fd_of, text_of

from lottery.writer.pipe import Answer, PipeReader

_WELCOME, _ACK, _WINNERS = 0x20, 0x21, 0x23
_CLASSIC_STORED, _CLASSIC_WINNERS = 0x02, 0x03
_PROMISES: Final = (Answer.STORED, Answer.ENDED, Answer.CLOSED)
_ANSWERS_FD: Final = 3
_DRAWN: Final = b"action: sorteo | result: success"
_SEGMENT: Final = re.compile(r".*/segment-\d+\.log")


class Party(NamedTuple):
    """Who is at the other end of a connection.

    :ivar batches: how many bets each batch has that it sends; None for lottery/1, which says so.
    """

    agency: int
    batches: tuple[int, ...] | None = None


class Promise(NamedTuple):
    """What has been told.

    :ivar bets: by agency, so many are on disk.
    :ivar ended: of these the END is.
    :ivar drawn: the winning number has been told to somebody.
    """

    bets: Mapping[int, int]
    ended: frozenset[int]
    drawn: bool


class Told:
    """Listens to the calls of a trace, one after the other.

    :ivar promise: what has been told so far.
    """

    def __init__(
        self, root: str, parties: Mapping[int, Party], promise: Promise | None = None
    ) -> None:
        """:param parties: by the port of the agency's end of its connection.

        :param promise: what had been told before.
        """
        self.promise = promise or Promise({}, frozenset(), drawn=False)
        self._root = root.rstrip("/") + "/"
        self._parties = parties
        self._segments: dict[int, str] = {}
        self._answers: dict[int, PipeReader] = {}
        self._said: dict[int, bytes] = {}
        self._classic: dict[int, int] = {}

    def note(self, call: Call, disk: Disk) -> bool:
        """Listen to a call; gives whether it has told anything."""
        if call.name == "openat" and "O_EXCL" in str(call.words[2:]):
            self._note_segment(call)
        if call.name not in ("write", "sendto") or (call.end and call.result < 0):
            return False
        before = self.promise
        number, about = fd_of(call.words[0])
        if about.startswith("TCP:"):
            self._note_sent(about, text_of(call.words[1]))
        elif number == _ANSWERS_FD and call.process in self._segments:
            self._note_answers(call, disk)
        elif number in (1, 2) and _DRAWN in text_of(call.words[1]):
            self.promise = before._replace(drawn=True)
        return self.promise != before

    def _note_segment(self, call: Call) -> None:
        path = text_of(call.words[1]).decode()
        if path.startswith(self._root) and _SEGMENT.fullmatch(path):
            self._segments[call.process] = path.removeprefix(self._root)
            self._answers[call.process] = PipeReader()

    def _note_answers(self, call: Call, disk: Disk) -> None:
        answers = self._answers[call.process].feed(text_of(call.words[1]))
        if all(answer.kind not in _PROMISES for answer in answers):
            return
        segment = disk.node(self._segments[call.process])
        assert isinstance(segment, File)
        for record in records_in(segment.latest):
            if record.kind == ROWS:
                self._stored(record.agency, record.first + record.bets)
            elif record.kind == END:
                self._stored(record.agency, record.first, ended=True)

    def _note_sent(self, about: str, data: bytes) -> None:
        port = int(about.rpartition(":")[2].rstrip("]"))
        party = self._parties.get(port)
        if party is None:
            return
        said = self._said.get(port, b"") + data
        while said:
            if party.batches is not None and said[0] == _CLASSIC_STORED:
                done = self._classic[port] = self._classic.get(port, 0) + 1
                self._stored(party.agency, sum(party.batches[:done]))
                said = said[1:]
                continue
            if len(said) < 3 or len(said) < (end := 3 + struct.unpack_from(">H", said, 1)[0]):
                break
            self._note_frame(party, said[0], said[3:end])
            said = said[end:]
        self._said[port] = said

    def _note_frame(self, party: Party, kind: int, payload: bytes) -> None:
        if kind == _WELCOME:
            _, _, ended, bets = struct.unpack_from(">IBBQ", payload)
            self._stored(party.agency, bets, ended=bool(ended))
        elif kind == _ACK:
            bets, ended = struct.unpack(">QB", payload)
            self._stored(party.agency, bets, ended=bool(ended))
        elif kind in (_WINNERS, _CLASSIC_WINNERS):
            self.promise = self.promise._replace(drawn=True)

    def _stored(self, agency: int, bets: int, *, ended: bool = False) -> None:
        promise = self.promise
        bets = max(bets, promise.bets.get(agency, 0))
        self.promise = promise._replace(
            bets={**promise.bets, agency: bets},
            ended=promise.ended | ({agency} if ended else set()),
        )
