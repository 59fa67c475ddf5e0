"""What is not as it should be, and its place."""

from __future__ import annotations

from typing import NamedTuple


class Difference(NamedTuple):
    """Something that is not as it should be.

    ``file`` is its name in the draw's directory, nothing if it is about the directory itself.
    ``what`` says what is wrong there; it may quote what was found, so it may hold anything.
    ``byte`` counts from 0, ``line`` from 1.
    """

    file: str
    what: str
    byte: int | None = None
    line: int | None = None

    def __str__(self) -> str:
        """Give a sentence that begins with the place."""
        place = [self.file] if self.file else []
        if self.line is not None:
            place.append(f"line {self.line}")
        if self.byte is not None:
            place.append(f"byte {self.byte}")
        return f"{', '.join(place)}: {self.what}" if place else self.what


class Differs(Exception):
    """The check ends here, at the first difference.

    :ivar difference: what and where.
    """

    def __init__(
        self, file: str, what: str, *, byte: int | None = None, line: int | None = None
    ) -> None:
        super().__init__(file, what, byte, line)
        self.difference = Difference(file, what, byte, line)
