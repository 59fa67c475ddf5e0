"""The errand of an agency: its bets to the central, its winners back.

One :class:`AgencyRun` is one errand and ends with an exit status. Nothing is connected
before the first batch is there, so that a file that cannot be sent takes no place. From
then on the errand is a matter of :class:`~lottery.agency.sessions.Sessions`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.logger import LogLevel

from lottery.agency.attempts import Attempts
from lottery.agency.bets_file import BetsFile, unguarded
from lottery.agency.failures import (
    BadInput,
    BadOutput,
    BadRow,
    Distrust,
    Interruption,
    Refusal,
)
from lottery.agency.progress import Progress
from lottery.agency.reader import BatchReader
from lottery.agency.result import Result
from lottery.agency.results import ResultsFile
from lottery.agency.sessions import Sessions
from lottery.agency.skipped import SkippedRows, place_in_file
from lottery.agency.source import Source
from lottery.agency.upload import Upload
from lottery.bets import FIELDS
from lottery.errors import LotteryError, RemoteProtocolError
from lottery.ops.log import ActionLog
from lottery.settings import AgencySettings
from lottery.wire.messages import NONCE_BYTES

#: Exit statuses: results written or stopped by a signal; bad row, refused, gave up.
DONE, FAILED = 0, 1


class AgencyRun:
    """One file's errand.

    :param settings: what to send where.
    :param endpoint: the central.
    :param clock: for delays and time-outs.
    :param log: for all that is told.
    :param open_input: opens the file of bets; may raise :class:`BadInput`.
    :param today: the last birthdate there may be, UTC.
    :param random_bytes: gives as many random bytes as asked for; they go into the seal.
    :param jitter: gives numbers from 0 up to 1, for the delays between attempts.

    :ivar result: what is known of it, and ``progress`` how far it is.
    """

    def __init__(
        self,
        settings: AgencySettings,
        endpoint: IStreamClientEndpoint,
        clock: IReactorTime,
        log: ActionLog,
        *,
        open_input: Callable[[], Source],
        today: date,
        random_bytes: Callable[[int], bytes],
        jitter: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._attempts = Attempts(settings, endpoint, clock)
        self._clock = clock
        self._log = log
        self._open_input = open_input
        self._today = today
        self._random_bytes = random_bytes
        self._jitter = jitter
        self._skipped = SkippedRows(settings.input, log)
        self.result = Result(settings.agency, settings.output)
        self.progress = Progress(self.result, self._skipped, clock.seconds)

    async def run(self) -> int:
        """Run the errand; gives the exit status.

        Cancelling it is how a signal stops it: it ends with status 0 then, as soon as
        the connection is closed, and leaves nothing behind.
        """
        settings = self._settings
        self._log(
            "config",
            "success",
            client_id=settings.agency,
            server_host=settings.host,
            server_port=settings.port,
            tls=settings.tls is not None,
            file=settings.input,
            output=settings.output,
            batch_size=settings.batch_size,
            window=settings.window,
            retry_for=settings.retry_for,
            draw=settings.draw,
            skip_bad=settings.skip_bad,
            log_level=settings.log_level,
        )
        for key in settings.ignored:
            self._log("ignored_setting", "success", LogLevel.debug, key=key)
        try:
            await self._errand()
            self.result.result = "success"
        except CancelledError:
            self._log("shutdown", "success", client_id=settings.agency)
        except LotteryError as error:
            self._fail(error)
            return FAILED
        finally:
            self.result.skipped = self._skipped.count
        return DONE

    def _fail(self, error: LotteryError) -> None:
        settings = self._settings
        details: dict[str, object] = {"client_id": settings.agency}
        match error:
            case BadInput(row=row):
                action, reason = "read_input", row.reason
                details |= {"file": row.file, **place_in_file(row.line, row.field)}
            case BadOutput(path=path):
                action, reason = "write_output", error.reason
                details |= {"file": path}
            case Interruption() | Distrust():
                action, reason = "connect", str(error)
                details |= {"server_host": settings.host, "server_port": settings.port}
            case Refusal(line=line, field=field):
                action, reason = "session", error.sentence
                name = FIELDS[field - 1] if 0 < field <= len(FIELDS) else ""
                details |= {"code": error.code.name}
                details |= {"file": settings.input, **place_in_file(line, name)} if line else {}
            case RemoteProtocolError():
                action, reason = "session", error.sentence
                details |= {"code": error.code.name}
            case _:
                action, reason = "session", str(error)
        self._log(action, "fail", LogLevel.error, **details, error=reason)
        self.result.result, self.result.error = "fail", reason
        for name in details.keys() & {"code", "line", "field"}:
            setattr(self.result, name, details[name])

    async def _errand(self) -> None:
        settings = self._settings
        source = self._open_input()
        try:
            results = ResultsFile(settings.output, settings.input)
            try:
                await self._bring(source, results)
            finally:
                results.discard()
        finally:
            source.close()

    async def _bring(self, source: Source, results: ResultsFile) -> None:
        upload = Upload(str(self._settings.input), BetsFile(source, self._new_reader))
        self.progress.upload = upload
        if not await upload.fill(unguarded) and self._skipped.count:
            self._skipped.log_count()
            reason = f"has no row that can be sent, {self._skipped.count} were left out"
            raise BadInput(BadRow(str(self._settings.input), 0, "", reason))
        sessions = Sessions(
            self._settings,
            self._attempts,
            self._clock,
            self._log,
            upload=upload,
            skipped=self._skipped,
            results=results,
            nonce=self._random_bytes(NONCE_BYTES),
            progress=self.progress,
            jitter=self._jitter,
        )
        await sessions.run()

    def _new_reader(self) -> BatchReader:
        return BatchReader(
            str(self._settings.input),
            self._settings.batch_size,
            self._today,
            skip_bad=self._settings.skip_bad,
            skipped=self._skipped.note,
        )
