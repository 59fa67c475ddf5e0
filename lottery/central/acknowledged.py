"""What was acknowledged to an agency, by its own word, held against what is stored."""

from __future__ import annotations

from twisted.logger import LogLevel

from lottery.errors import Code, RemoteProtocolError
from lottery.ops.log import ActionLog
from lottery.wire.messages import Hello


class Acknowledged:
    """Finds what is missing of one draw; each agency's is logged once, for it may say so for ever.

    :ivar most: of how many agencies it is logged, for anybody may say to be many.
    """

    def __init__(self, draw: int, most: int, log: ActionLog) -> None:
        self.most = most
        self._draw = draw
        self._log = log
        self._logged: set[int] = set()

    def check(self, hello: Hello, stored: int) -> None:
        """See that there is all that an agency was told is stored.

        :param stored: so many of its bets are.
        :raises RemoteProtocolError: SEQ, if that is less.
        """
        if hello.acknowledged <= stored:
            return
        sentence = (
            f"{hello.acknowledged} bets were acknowledged to agency {hello.agency}, "
            f"draw {self._draw} has {stored} of them"
        )
        if hello.agency not in self._logged and len(self._logged) < self.most:
            self._logged.add(hello.agency)
            self._log("damage", "fail", LogLevel.critical, error=sentence)
        raise RemoteProtocolError(Code.SEQ, sentence)
