"""Options that may stand before and behind the plain words of a command."""

from __future__ import annotations

import getopt
import sys
from collections.abc import Sequence
from typing import NoReturn

from twisted.python import usage

import lottery


class AnyOrderOptions(usage.Options):
    """Options of a command that takes plain words, too.

    Twisted takes every word behind the first plain one for plain, and ``lottery agency
    FILE --id 1`` would end in a riddle; so options are put first here.
    """

    def opt_version(self) -> NoReturn:
        """Show the version and end."""
        print(f"lottery {lottery.__version__}")
        sys.exit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the words of the command line.

        :raises usage.UsageError: for an option that is unknown or lacks its value.
        """
        words = sys.argv[1:] if options is None else options
        try:
            pairs, plain = getopt.gnu_getopt(words, self.shortOpt, self.longOpt)
        except getopt.GetoptError as error:
            raise usage.UsageError(str(error)) from None
        valued = {name.rstrip("=") for name in self.longOpt if name.endswith("=")}
        given = [
            f"{name}={value}" if name.removeprefix("--") in valued else name
            for name, value in pairs
        ]
        super().parseOptions([*given, "--", *plain])  # type: ignore[no-untyped-call]
