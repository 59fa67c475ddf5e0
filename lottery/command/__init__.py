"""The ``lottery`` program: a module per command, each with ``Options`` and ``run``.

``run(options, stdout)`` returns the exit status. A command is imported when it is asked for,
so that ``lottery sample`` starts without a reactor.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TextIO, cast

from twisted.python import usage

import lottery
from lottery.errors import LotteryError


def _loader(command: str) -> Callable[[], usage.Options]:
    """What makes the options of ``command``, once it is asked for."""

    def load() -> usage.Options:
        options = importlib.import_module(f"lottery.command.{command}").Options()
        return cast(usage.Options, options)

    return load


class Options(usage.Options):
    """Options of ``lottery`` itself."""

    longdesc = "lottery COMMAND --help explains the options of each command."
    subCommands = (
        ("serve", None, _loader("serve"), "Run the central."),
        ("agency", None, _loader("agency"), "Send a file of bets, fetch its winners."),
        ("sample", None, _loader("sample"), "Make a day of input files."),
        ("export", None, _loader("export"), "Write the bets.csv of a draw."),
        ("audit", None, _loader("audit"), "Check a data directory, recount the winners."),
        ("results", None, _loader("results"), "Show who has won in a draw."),
        ("compose", None, _loader("compose"), "Write a docker compose file."),
        ("probe", None, _loader("probe"), "See whether a central takes connections."),
    )

    def getSynopsis(self) -> str:
        """The first line of the help; that of a command is made of it and the command's own."""
        return "Usage: lottery" if self.subCommand else "Usage: lottery COMMAND [options]"

    def opt_version(self) -> NoReturn:
        """Show the version and end."""
        print(f"lottery {lottery.__version__}")
        sys.exit(0)

    def parseArgs(self) -> NoReturn:
        """Called if no command is named: show the help, as an error."""
        _say(str(self))
        raise usage.UsageError("a command is missing")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program.

    :param argv: the words behind the program's name; those of the process if None.
    :return: the exit status. What is wrong with the words, the settings, files or the ledger
        is one sentence on stderr, and status 2, 1 or 3.
    """
    if argv is None and sys.argv[1:2] == ["serve"]:
        # It would end a central that has not got as far as to take it for a wish: it waits.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for good
    status = _status(sys.argv[1:] if argv is None else argv, stdout)
    try:
        stdout.flush()
    except OSError as error:
        # The interpreter would stumble over what is left to be written, once more and aloud.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        # Whoever has ended with another status has given its reason, perhaps this one.
        if not status and not isinstance(error, BrokenPipeError):
            status = _complain(error, 1)
    return status


def _status(argv: Sequence[str], stdout: TextIO) -> int:
    try:
        return _run(argv, stdout)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0  # who read our output has seen enough
    except LotteryError as error:
        return _complain(error, error.exit_status)
    except usage.UsageError as error:
        return _complain(error, 2)
    except OSError as error:
        return _complain(error, 1)


def _run(argv: Sequence[str], stdout: TextIO) -> int:
    options = Options()  # type: ignore[no-untyped-call]
    options.parseOptions(argv)  # type: ignore[no-untyped-call]
    command = importlib.import_module(f"lottery.command.{options.subCommand}")
    return cast(int, command.run(options.subOptions, stdout))


def _complain(error: Exception, status: int) -> int:
    """Say what is wrong, in one line."""
    sentence = str(error)
    if isinstance(error, OSError):
        sentence = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in sentence)
    _say(f"lottery: {shown}\n")
    return status


def _say(text: str) -> None:
    """Write ``text`` to stderr, if anybody listens."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # stderr is closed, or was never open
