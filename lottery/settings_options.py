"""The options of the central, made of the table of settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from twisted.python import usage

import lottery
from lottery.errors import SettingsError
from lottery.settings import CentralSettings, central_settings
from lottery.settings_table import CENTRAL, usage_rows
from lottery.settings_values import endpoints


class Options(usage.Options):
    """Options of ``twistd lottery`` and of ``lottery serve``, made of the table of settings.

    :ivar settings: what they, the environment and the file come to, once parsed.
    """

    synopsis = "[options]"
    longdesc = (
        "Store the bets of agencies, hold the draw when they have ended, and tell each agency "
        "its winners. Each option can also be set in the environment or in a file."
    )
    optParameters, optFlags = usage_rows(CENTRAL)
    settings: CentralSettings

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["listen"] = []
        self["tls-listen"] = []

    def opt_listen(self, endpoint: str) -> None:
        self["listen"].append(endpoint)

    def opt_tls_listen(self, endpoint: str) -> None:
        self["tls-listen"].append(endpoint)

    # usage shows the docstring, and the words about a setting stand in the table alone.
    opt_listen.__doc__, opt_tls_listen.__doc__ = (
        row.explained for row in CENTRAL if row.parse is endpoints
    )

    def opt_version(self) -> NoReturn:
        """Show the version and end."""
        print(f"lottery {lottery.__version__}")
        sys.exit(0)

    def parseArgs(self, *arguments: str) -> None:
        if arguments:
            raise usage.UsageError(f"argument {arguments[0]!r} is unknown, there are only options")

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse, or end with status 2 and one sentence: ``twistd`` alone would end with 0."""
        try:
            super().parseOptions(options)  # type: ignore[no-untyped-call]
        except (usage.UsageError, SettingsError) as error:
            sys.stderr.write(f"lottery: {error}\n")
            raise SystemExit(2) from None

    def postOptions(self) -> None:
        self.settings = central_settings(self, os.environ)
