"""How an errand fails, each way with a sentence and exit status 1; and what may be mended."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from lottery.errors import Code, LotteryError


@frozen
class BadRow:
    """A row that breaks a rule.

    :ivar file: the name of the file, as it was given.
    :ivar line: counted from 1.
    :ivar field: one of :data:`lottery.bets.FIELDS`, or empty for the whole line.
    :ivar reason: the rest of a sentence that starts with the line or the field.
    """

    file: str
    line: int
    field: str
    reason: str

    def __str__(self) -> str:
        column = f", {self.field}" if self.field else ""
        return f"{self.file} line {self.line}{column} {self.reason}"


class BadInput(LotteryError):
    """The file cannot be sent as it is: exit status 1.

    :ivar row: where and why; line 0 stands for the file as a whole.
    """

    def __init__(self, row: BadRow) -> None:
        super().__init__(row)
        self.row = row

    def __str__(self) -> str:
        return str(self.row) if self.row.line else f"{self.row.file} {self.row.reason}"


class OtherFile(BadInput):
    """The file is not the one whose bets the central holds."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(BadRow(file, 0, "", reason))


class BadOutput(LotteryError):
    """The results cannot be written: exit status 1."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path} cannot be written, {self.reason}"


class Refusal(LotteryError):
    """The central said no, for good.

    :ivar code: which no.
    :ivar line: which line of the file it is about; 0: none.
    :ivar field: counted from 1; 0: none.
    """

    def __init__(self, code: Code, sentence: str, *, line: int = 0, field: int = 0) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence
        self.line = line
        self.field = field

    def __str__(self) -> str:
        return self.sentence


class Distrust(LotteryError):
    """The central and we can not trust each other's certificate, or have no TLS in common.

    Another attempt would end in the same way.
    """


class VoidDraw(LotteryError):
    """There are no winners, and there will be none."""


class SendAgain(LotteryError):
    """The central did not store what was sent; the session goes on, later.

    :ivar code: why not.
    """

    def __init__(self, code: Code, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Interruption(LotteryError):
    """A session, or the attempt to have one, has ended; another one may do better.

    :ivar code: why, if the central said so.
    """

    def __init__(self, sentence: str, code: Code | None = None) -> None:
        super().__init__(sentence)
        self.code = code


class NotReached(Interruption):
    """An attempt to be welcomed has failed."""


class ConnectionCut(Interruption):
    """The connection ended before all was said."""


class ComeBack(Interruption):
    """The central cannot go on now, and asks to come again later."""


def lost_by(error: BaseException | None) -> LotteryError:
    """What a connection that is lost for this reason comes to."""
    return error if isinstance(error, Distrust) else ConnectionCut(sentence_of(error))


def sentence_of(error: BaseException | None) -> str:
    """What Twisted says of an error, so that it fits into a sentence and a line of the log."""
    text = str(error).replace(": ", ", ").rstrip(".")
    return text if type(error) is ConnectionError else text.lower()  # that one is in our words
