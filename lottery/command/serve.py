"""``lottery serve``: run the central."""

from __future__ import annotations

import sys
from typing import TextIO, cast

from twisted.internet.defer import Deferred, succeed
from twisted.logger import globalLogBeginner

from lottery.central.service import Central
from lottery.command.running import CommandReactor, run_until_done
from lottery.errors import DamagedLedger, SettingsError, StartError
from lottery.ops.json_log import log_observer
from lottery.settings_options import Options
from lottery.tap import CentralReactor, make_central, reload_at_hangup

__all__ = ["Options", "run"]


def run(options: Options, stdout: TextIO) -> int:
    """Run a central until its draws are done or a signal stops it; the log goes to ``stdout``.

    :return: the exit status: 0 stopped by a signal or draws done, 1 cannot go on, 2 an
        endpoint that is none, or a directory or port in use, 3 a damaged ledger.
    """
    settings = options.settings
    observer = log_observer(stdout, settings.log_level, settings.log_format)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    started: list[Central] = []

    def start(reactor: CommandReactor) -> Deferred[int]:
        try:
            central = make_central(settings, cast(CentralReactor, reactor))
            reload_at_hangup(central, cast(CentralReactor, reactor))
            central.startService()
        except (SettingsError, StartError, DamagedLedger) as error:
            sys.stderr.write(f"lottery: {error}\n")
            return succeed(error.exit_status)
        started.append(central)
        return central.done

    def stop() -> Deferred[None]:
        return started[0].stopService() if started else succeed(None)

    return run_until_done(start, stop)
