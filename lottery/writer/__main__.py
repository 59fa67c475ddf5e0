"""How a writer child starts: ``python -m lottery.writer WHERE DRAW NUMBER MIN_FREE PARENT``.

WHERE is the path of the segment to make: number NUMBER of the draw DRAW. MIN_FREE bytes
stay free on its disk. PARENT is the process that started it. If WHERE is the word
``postgresql``, it stores in the database that LOTTERY_WRITER_LEDGER in its environment names:
what stands in the command line, everybody can read.

It ends when its orders end, and is killed when its parent dies: a writer without a
parent would hold the segment of a draw that nobody leads.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from time import monotonic

from lottery.ledger.entry import DATABASE, DATABASE_AT, Store, segment_store
from lottery.writer import ANSWERS_FD, ORDERS_FD
from lottery.writer.child import PIPE_BYTES, StorePlan, serve
from lottery.writer.pipe import Exit

_PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>


def today() -> date:
    """Give the day in UTC."""
    return datetime.now(UTC).date()


def main(arguments: Sequence[str]) -> int:
    """Serve the process that started this one; gives the exit status."""
    path, *numbers = arguments or ("",)
    if len(numbers) != 4 or not all(number.isdecimal() for number in numbers):
        sys.stderr.write("a writer is started by the central: WHERE DRAW NUMBER MIN_FREE PARENT\n")
        return Exit.USAGE
    draw, segment, min_free, parent = map(int, numbers)
    # A signal to the whole terminal or service is the parent's business: it closes the
    # pipe when all that was taken is handed over, and that is what ends a writer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return Exit.ORDERS  # it died before it could be asked to take us along
    with suppress(OSError):  # a smaller pipe is slower, nothing else
        fcntl.fcntl(ORDERS_FD, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    plan = StorePlan(path, draw, segment, min_free)
    return serve(ORDERS_FD, ANSWERS_FD, plan, today, monotonic, store_of(plan))


def store_of(plan: StorePlan) -> Callable[[str, int, int, int], Store]:
    """Say what makes the store of a plan; a client of a database is imported only for one."""
    if plan.where != DATABASE:
        return segment_store
    from lottery.ledger.postgres.store import DatabaseStore

    return lambda _where, draw, _number, _free: DatabaseStore(os.environ[DATABASE_AT], draw)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
