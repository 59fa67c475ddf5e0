"""The errand of an agency: its bets to the central, its winners back.

One :class:`AgencyRun` is one errand and ends with an exit status. Nothing is connected
before the first batch is there, so that a file that cannot be sent takes no place. Whoever
is welcomed has a session, and the session is the errand's only one: what would go back to
where an earlier session ended belongs around :meth:`AgencyRun._send_all`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.logger import LogLevel

from lottery.agency.attempts import Attempts, close
from lottery.agency.client import AgencyClient
from lottery.agency.failures import BadInput, BadOutput, BadRow, NotReached, Refusal
from lottery.agency.reader import BatchReader, FileBatch
from lottery.agency.results import ResultsFile
from lottery.agency.source import Source
from lottery.bets import FIELDS
from lottery.errors import LotteryError, RemoteProtocolError
from lottery.ops.log import ActionLog
from lottery.settings import AgencySettings
from lottery.wire.messages import NONCE_BYTES

#: Exit statuses: results written or stopped by a signal; bad row, refused, gave up.
DONE, FAILED = 0, 1

#: So many rows that are left out are logged in full, the others only counted.
SKIPPED_IN_FULL = 20


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
        self._attempts = Attempts(settings, endpoint, clock, log, jitter)
        self._clock = clock
        self._log = log
        self._open_input = open_input
        self._today = today
        self._random_bytes = random_bytes
        self._skipped = 0

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
            file=settings.input,
            output=settings.output,
            batch_size=settings.batch_size,
            window=settings.window,
            retry_for=settings.retry_for,
            skip_bad=settings.skip_bad,
            log_level=settings.log_level,
        )
        for key in settings.ignored:
            self._log("ignored_setting", "success", LogLevel.debug, key=key)
        try:
            await self._errand()
        except CancelledError:
            self._log("shutdown", "success", client_id=settings.agency)
        except LotteryError as error:
            self._fail(error)
            return FAILED
        return DONE

    def _fail(self, error: LotteryError) -> None:
        settings = self._settings
        details: dict[str, object] = {"client_id": settings.agency}
        match error:
            case BadInput(row=row):
                action, reason = "read_input", row.reason
                details |= {"file": row.file, **_place(row.line, row.field)}
            case BadOutput(path=path):
                action, reason = "write_output", error.reason
                details |= {"file": path}
            case NotReached():
                action, reason = "connect", str(error)
                details |= {"server_host": settings.host, "server_port": settings.port}
            case Refusal(line=line, field=field):
                action, reason = "session", error.sentence
                name = FIELDS[field - 1] if 0 < field <= len(FIELDS) else ""
                details |= {"code": error.code.name}
                details |= {"file": settings.input, **_place(line, name)} if line else {}
            case RemoteProtocolError():
                action, reason = "session", error.sentence
                details |= {"code": error.code.name}
            case _:
                action, reason = "session", str(error)
        self._log(action, "fail", LogLevel.error, **details, error=reason)

    async def _errand(self) -> None:
        settings = self._settings
        source = self._open_input()
        try:
            results = ResultsFile(settings.output, settings.input)
            try:
                reader = BatchReader(
                    str(settings.input),
                    settings.batch_size,
                    self._today,
                    skip_bad=settings.skip_bad,
                    skipped=self._leave_out,
                )
                first = await _next_batch(reader, source.read)
                if first is None and self._skipped:
                    self._log_skipped()
                    reason = f"has no row that can be sent, {self._skipped} were left out"
                    raise BadInput(BadRow(str(settings.input), 0, "", reason))
                client = await self._attempts.welcomed(results.write)
                try:
                    await self._send_all(client, first, reader, source)
                    await self._bring_results(client, results)
                finally:
                    await close(client, self._clock)
            finally:
                results.discard()
        finally:
            source.close()

    async def _send_all(
        self, client: AgencyClient, batch: FileBatch | None, reader: BatchReader, source: Source
    ) -> None:
        while batch is not None:
            await client.until(lambda: client.has_room)
            client.send(batch)
            batch = await _next_batch(reader, lambda: client.unless_broken(source.read()))
        if self._skipped > SKIPPED_IN_FULL:
            self._log_skipped()

    async def _bring_results(self, client: AgencyClient, results: ResultsFile) -> None:
        agency = self._settings.agency
        client.end(self._random_bytes(NONCE_BYTES))
        await client.until(lambda: client.ended)
        left_out = {"skipped": self._skipped} if self._skipped else {}
        self._log(
            "apuesta_enviada",
            "success",
            client_id=agency,
            cantidad=client.acknowledged,
            **left_out,
        )
        await client.until(lambda: client.all_told)
        results.publish()
        client.received()
        self._log(
            "consulta_ganadores",
            "success",
            client_id=agency,
            cant_ganadores=client.told,
            output=self._settings.output,
        )

    def _log_skipped(self) -> None:
        details = {"file": self._settings.input, "cantidad": self._skipped}
        self._log("skip_rows", "success", LogLevel.warn, **details)

    def _leave_out(self, row: BadRow) -> None:
        self._skipped += 1
        if self._skipped <= SKIPPED_IN_FULL:
            details = {"file": row.file, **_place(row.line, row.field), "reason": row.reason}
            self._log("skip_row", "success", LogLevel.warn, **details)


async def _next_batch(
    reader: BatchReader, read: Callable[[], Awaitable[bytes]]
) -> FileBatch | None:
    """Give the next batch, reading as much of the file as that needs; None at its end."""
    while (batch := reader.next_batch()) is None and not reader.finished:
        if data := await read():
            reader.feed(data)
        else:
            reader.finish()
    return batch


def _place(line: int, field: str) -> dict[str, object]:
    """Where in the file, for the log; line 0 and no field are not told."""
    place: dict[str, object] = {"line": line} if line else {}
    return {**place, "field": field} if field else place
