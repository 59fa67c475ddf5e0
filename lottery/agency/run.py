"""The errand of an agency: its bets to the central, its winners back.

One :class:`AgencyRun` is one errand and ends with an exit status. It makes attempts to
be welcomed until the time for that is up; whoever is welcomed has a session, and the
session is the errand's only one: what would go back to where an earlier session ended
belongs between :meth:`AgencyRun._welcomed` and :meth:`AgencyRun._session`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.logger import LogLevel

from lottery.agency.backoff import BackOff
from lottery.agency.client import AgencyClient, ConnectionCut, Refusal
from lottery.agency.reader import LEAST_ROWS_LIMIT_BYTES, BadInput, BadRow, BatchReader
from lottery.agency.results import BadOutput, ResultsFile
from lottery.agency.source import Source
from lottery.bets import FIELDS
from lottery.errors import Code, LotteryError, RemoteProtocolError
from lottery.ops.log import ActionLog
from lottery.settings import AgencySettings
from lottery.wire import lottery1
from lottery.wire.decoder import PAYLOAD_LIMIT
from lottery.wire.messages import NONCE_BYTES, Welcome

T = TypeVar("T")

#: Exit statuses: results written or stopped by a signal; bad row, refused, gave up.
DONE, FAILED = 0, 1

CONNECT_TIMEOUT_SECONDS = 30
WELCOME_TIMEOUT_SECONDS = 30
#: What is still unwritten when the errand ends has so long to leave.
CLOSE_TIMEOUT_SECONDS = 2
#: So many rows that are left out are logged in full, the others only counted.
SKIPPED_IN_FULL = 20

_BATCH_HEAD_BYTES = PAYLOAD_LIMIT - 3 - lottery1.BATCH_ROWS_LIMIT
_COME_BACK = frozenset({Code.FULL, Code.STOPPING, Code.CLOSED})


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
        self._endpoint = endpoint
        self._clock = clock
        self._log = log
        self._open_input = open_input
        self._today = today
        self._random_bytes = random_bytes
        self._jitter = jitter
        self._skipped = 0

    async def run(self) -> int:
        """Run the errand; gives the exit status, whatever happens.

        Cancelling it is how a signal stops it: it ends with status 0 then, in at most
        ``CLOSE_TIMEOUT_SECONDS``, and leaves nothing behind.
        """
        settings = self._settings
        self._log.log(
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
        try:
            await self._errand()
        except CancelledError:
            self._log.log("shutdown", "success", client_id=settings.agency)
        except BadInput as error:
            row = error.row
            place: dict[str, object] = {"line": row.line} if row.line else {}
            place |= {"field": row.field} if row.field else {}
            self._fail("read_input", file=row.file, **place, reason=row.reason)
            return FAILED
        except BadOutput as error:
            self._fail("write_output", file=error.path, reason=error.reason)
            return FAILED
        except NotReached as error:
            self._fail("connect", **self._server, error=error)
            return FAILED
        except Refusal as error:
            details: dict[str, object] = {"code": error.code.name}
            if error.line:
                details |= {"file": settings.input, "line": error.line}
            if 0 < error.field <= len(FIELDS):
                details["field"] = FIELDS[error.field - 1]
            self._fail("session", **details, error=error)
            return FAILED
        except LotteryError as error:
            self._fail("session", error=error)
            return FAILED
        return DONE

    @property
    def _server(self) -> dict[str, object]:
        return {"server_host": self._settings.host, "server_port": self._settings.port}

    def _fail(self, action: str, **details: object) -> None:
        self._log.log(
            action, "fail", LogLevel.error, client_id=self._settings.agency, **details
        )

    async def _errand(self) -> None:
        source = self._open_input()
        try:
            results = ResultsFile(self._settings.output, self._settings.input)
            try:
                client = await self._welcomed(results)
                try:
                    await self._session(client, source, results)
                finally:
                    await self._close(client)
            finally:
                results.discard()
        finally:
            source.close()

    async def _session(self, client: AgencyClient, source: Source, results: ResultsFile) -> None:
        await self._send_all(client, source)
        client.end(self._random_bytes(NONCE_BYTES))
        await client.until(lambda: client.ended)
        self._log.log(
            "apuesta_enviada",
            "success",
            client_id=self._settings.agency,
            cantidad=client.acknowledged,
            **({"skipped": self._skipped} if self._skipped else {}),
        )
        await client.until(lambda: client.all_told)
        results.publish()
        client.received()
        self._log.log(
            "consulta_ganadores",
            "success",
            client_id=self._settings.agency,
            cant_ganadores=client.told,
            output=self._settings.output,
        )

    async def _send_all(self, client: AgencyClient, source: Source) -> None:
        assert client.welcome is not None
        reader = BatchReader(
            str(self._settings.input),
            self._settings.batch_size,
            self._today,
            rows_limit_bytes=min(
                lottery1.BATCH_ROWS_LIMIT, client.welcome.payload_limit - _BATCH_HEAD_BYTES
            ),
            skip_bad=self._settings.skip_bad,
            skipped=self._leave_out,
        )
        more = True
        while True:
            if not client.has_room:
                await client.until(lambda: client.has_room)
            batch = reader.next_batch()
            if batch is not None:
                client.send(batch)
            elif not more:
                break
            elif data := await client.unless_broken(source.read()):
                reader.feed(data)
            else:
                reader.finish()
                more = False
        if self._skipped > SKIPPED_IN_FULL:
            self._log.log(
                "skip_rows",
                "success",
                LogLevel.warn,
                file=self._settings.input,
                cantidad=self._skipped,
            )

    def _leave_out(self, row: BadRow) -> None:
        self._skipped += 1
        if self._skipped <= SKIPPED_IN_FULL:
            details: dict[str, object] = {"field": row.field} if row.field else {}
            self._log.log(
                "skip_row",
                "success",
                LogLevel.warn,
                file=row.file,
                line=row.line,
                **details,
                reason=row.reason,
            )
