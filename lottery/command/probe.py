"""``lottery probe``: see whether a central takes connections, as a health check of containers.

It connects and closes without a word, which takes no place in the draw. It runs every few
seconds beside a central at work, so it does without a reactor.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import ClassVar, Final, TextIO

from lottery.command.words import AnyOrderOptions
from lottery.errors import SettingsError
from lottery.settings import central_settings

#: The kernel takes a connection also while the central has its hands full.
CONNECT_SECONDS: Final = 2.0


class Options(AnyOrderOptions):
    """What ``lottery probe`` can be told.

    :raise SettingsError: while parsing, for any plain word.
    """

    synopsis = "[options]"
    longdesc = (
        "Connects to the central and closes without a word, where lottery serve would listen "
        "with the same environment and file of settings. Exit status 0: it takes connections; "
        "1: it does not; 2: a wrong option or setting."
    )
    optParameters: ClassVar[list[list[str | None]]] = [
        ["config", None, None, "settings of the central from a file [INI file]"]
    ]

    def parseArgs(self, *words: str) -> None:
        """Take no plain words."""
        if words:
            raise SettingsError(f"argument {words[0]!r} is unknown, there are only options")


def run(options: Options, stdout: TextIO, environ: Mapping[str, str] = os.environ) -> int:
    """Connect once; what is found is a line on ``stdout``.

    An interface of ``0.0.0.0`` or ``::`` means this host itself to whoever connects to it.

    :return: the exit status.
    :raise SettingsError: for a variable or file of settings that cannot be used, or if the
        central has endpoints of any kind to listen at instead of an interface and a port.
    """
    settings = central_settings(options, environ)
    if settings.has_own_endpoints:
        raise SettingsError("a probe needs an interface and a port, not endpoints to listen at")
    where = f"{settings.host} port {settings.port}"
    try:
        socket.create_connection((settings.host, settings.port), CONNECT_SECONDS).close()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        stdout.write(f"no central takes connections at {where}, {reason}\n")
        return 1
    stdout.write(f"a central takes connections at {where}\n")
    return 0
