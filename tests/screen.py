"""A terminal of so many columns, as far as the agency's display uses one."""

from __future__ import annotations

import io
import re
import unicodedata

_STEP = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])|(.)", re.DOTALL)


def columns_of(character: str) -> int:
    """How wide a terminal shows a character."""
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class Screen(io.StringIO):
    """Obeys what is written to it; refuses what a terminal may only be told with more care.

    :ivar written: all that was written.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.written = ""
        self._width = width
        self._rows = [""]
        self._row = self._column = 0

    def isatty(self) -> bool:
        """It is a terminal."""
        return True

    def write(self, text: str) -> int:
        """Show text."""
        self.written += text
        for parameters, command, character in _STEP.findall(text):
            if command:
                self._obey(parameters, command)
            else:
                self._show(character)
        return len(text)

    @property
    def lines(self) -> list[str]:
        """What is to be seen, without blanks at the end of a line and lines at the end."""
        return "\n".join(row.rstrip() for row in self._rows).rstrip().split("\n")

    def _obey(self, parameters: str, command: str) -> None:
        match command:
            case "A":
                self._row -= int(parameters)
                assert self._row >= 0, "the cursor goes beyond the top"
            case "K":
                assert parameters == "2"
                self._rows[self._row] = ""
            case "m":
                pass  # a colour
            case _:
                raise AssertionError(f"the terminal is told {parameters}{command}")

    def _show(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._column, self._row = 0, self._row + 1
            self._rows += [""] * (self._row + 1 - len(self._rows))
        else:
            assert character >= " ", f"the terminal is sent {character!r}"
            self._column += columns_of(character)
            if self._column > self._width:
                self._show("\n")
                self._column = columns_of(character)
            self._rows[self._row] += character
