"""The sessions of an errand: as many as it takes until the winning rows are in their file.

A session that was cut, or that the central broke off for a while, is followed by another
one, which goes on where the central stands: :class:`~lottery.agency.upload.Upload` knows
the file, the central says how much of it it has.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import LogLevel

from lottery.agency.attempts import (
    LONGEST_DELAY_SECONDS,
    Attempts,
    BackOff,
    Outage,
    close,
    left,
)
from lottery.agency.client import AgencyClient
from lottery.agency.failures import Interruption, NotReached, OtherFile, SendAgain, VoidDraw
from lottery.agency.progress import Phase, Progress
from lottery.agency.results import ResultsFile
from lottery.agency.skipped import SkippedRows
from lottery.agency.upload import Upload
from lottery.errors import Code
from lottery.ops.log import ActionLog
from lottery.settings import AgencySettings
from lottery.wire.messages import OPEN_DRAW, DrawState, Welcome

#: A session that has held so long ends an outage, although nothing may have been won in
#: it: waiting for the draw can take hours.
HELD_SECONDS = 30

_OVER = frozenset({DrawState.DELIVERED, DrawState.VOID})


class Sessions:
    """All sessions of one errand.

    :param settings: what to send where.
    :param attempts: the way to the central.
    :param clock: for delays and time-outs.
    :param log: told of each session.
    :param upload: the file.
    :param skipped: the rows of it that are left out.
    :param results: where the winning rows go.
    :param nonce: 32 random bytes, for the seal.
    :param progress: where to note each step, and in its result what came of the errand.
    :param jitter: gives numbers from 0 up to 1, for the delays.
    """

    def __init__(
        self,
        settings: AgencySettings,
        attempts: Attempts,
        clock: IReactorTime,
        log: ActionLog,
        *,
        upload: Upload,
        skipped: SkippedRows,
        results: ResultsFile,
        nonce: bytes,
        progress: Progress,
        jitter: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._attempts = attempts
        self._clock = clock
        self._log = log
        self._upload = upload
        self._skipped = skipped
        self._results = results
        self._nonce = nonce
        self._progress = progress
        self._result = progress.result
        self._jitter = jitter
        self._asked = settings.draw
        self._draw = settings.draw  # the one that is asked for next
        self._sent_told = False

    async def run(self) -> None:
        """Bring the bets to the central and the winning rows back.

        :raises Interruption: if the central was away for too long.
        :raises LotteryError: if another session would not do better.
        :raises CancelledError: if the errand is given up.
        """
        outage = Outage(self._settings.retry_for, self._clock.seconds, self._jitter)
        done = False
        while not done:
            try:
                done = await self._session(outage)
            except Interruption as error:
                delay_seconds = outage.next_delay_seconds()
                if delay_seconds is None:
                    raise
                if error.code is Code.CLOSED and not self._upload.is_stored:
                    self._draw = self._asked  # nothing of ours is in that one
                self._log_interruption(error)
                self._progress.hold_up(Phase.AWAY, str(error), delay_seconds)
                await deferLater(self._clock, delay_seconds)

    async def _session(self, outage: Outage) -> bool:
        """Have one session; gives whether the errand is done."""
        upload = self._upload
        before = upload.acknowledged, upload.ended
        self._progress.enter(Phase.CONNECTING)
        self._results.start_over()
        self._progress.drop_winners()
        client, welcome = await self._attempts.welcomed(self._draw, upload, self._take_winners)
        self._progress.enter(Phase.COMPARING)
        outage.stop()
        since = self._clock.seconds()
        self._draw = self._result.draw = welcome.draw
        self._result.sessions += 1
        there = {"cantidad": welcome.next_index} if welcome.next_index else {}
        self._log("connect", "success", **self._server, draw=welcome.draw, **there)
        try:
            return await self._converse(client, welcome)
        finally:
            self._result.bets = upload.acknowledged
            held = self._clock.seconds() - since >= HELD_SECONDS
            outage.begin(anew=held or before != (upload.acknowledged, upload.ended))
            await close(client, self._clock)

    def _take_winners(self, rows: bytes) -> None:
        self._results.write(rows)
        self._progress.take_winners(rows)

    async def _converse(self, client: AgencyClient, welcome: Welcome) -> bool:
        try:
            await self._upload.go_on(welcome, client.unless_broken)
        except OtherFile:
            if not self._is_of_old(welcome):
                raise
            self._leave_to_the_central(welcome.draw)
            return False
        if not self._upload.ended:
            await self._send_all(client, welcome.silence)
        self._progress.enter(Phase.WAITING)
        self._tell_sent()
        if welcome.state is DrawState.VOID:
            raise VoidDraw(f"draw {welcome.draw} is void, it has no winners")
        await client.until(lambda: client.all_told)
        self._results.publish()
        self._result.winning_number, self._result.winners = client.winning_number, client.told
        client.received()
        self._log(
            "consulta_ganadores",
            "success",
            client_id=self._settings.agency,
            cant_ganadores=client.told,
            output=self._settings.output,
        )
        await left(client, self._clock)
        return True

    async def _send_all(self, client: AgencyClient, silence_seconds: int) -> None:
        """Send the rest of the file, some of it again if the central wants that, and the END.

        :param silence_seconds: the central gives up on who is silent for so long; 0: never.
        """
        patience_seconds = silence_seconds / 4 or LONGEST_DELAY_SECONDS
        delays = BackOff(self._jitter, min(patience_seconds, LONGEST_DELAY_SECONDS))
        delay_seconds = 0.0
        acknowledged = self._upload.acknowledged
        while not self._upload.ended:
            try:
                if delay_seconds:
                    await client.unless_broken(deferLater(self._clock, delay_seconds))
                self._progress.enter(Phase.SENDING)
                await self._send_rest(client)
            except SendAgain as refusal:
                if self._upload.acknowledged > acknowledged:
                    acknowledged = self._upload.acknowledged
                    delays.restart()
                delay_seconds = delays.next_delay_seconds()
                self._log_session(refusal.code, refusal)
                self._progress.hold_up(Phase.HELD, str(refusal), delay_seconds)

    async def _send_rest(self, client: AgencyClient) -> None:
        upload = self._upload
        while await upload.fill(client.unless_broken):
            await client.until(lambda: client.has_room)
            client.send()
        await client.until(lambda: client.may_end)
        self._skipped.sum_up()
        client.end(self._nonce)
        # Whoever checks how a random number was made looks for these bytes in the draw's record.
        client_id = self._settings.agency
        self._log("end", "in_progress", LogLevel.debug, client_id=client_id, nonce=self._nonce)
        await client.until(lambda: upload.ended)

    def _is_of_old(self, welcome: Welcome) -> bool:
        """Whether this is about an errand of before, whose winners were never received."""
        over = welcome.ended and welcome.state in _OVER
        return over and self._asked == 0 and not self._upload.begun

    def _leave_to_the_central(self, draw: int) -> None:
        """Leave the winners of an errand of before where they are, and begin this one."""
        self._log(
            "old_winners",
            "fail",
            LogLevel.warn,
            client_id=self._settings.agency,
            draw=draw,
            error=f"{self._settings.input} is not the file of that draw, its winners stay at "
            "the central, lottery results shows them",
        )
        self._upload.start_over()
        self._skipped.start_over()
        self._asked = self._draw = OPEN_DRAW

    # What is told.

    @property
    def _server(self) -> dict[str, object]:
        settings = self._settings
        return {
            "client_id": settings.agency,
            "server_host": settings.host,
            "server_port": settings.port,
        }

    def _log_interruption(self, error: Interruption) -> None:
        if isinstance(error, NotReached):
            self._log("connect", "in_progress", **self._server, error=error)
        else:
            self._log_session(error.code, error)

    def _log_session(self, code: Code | None, error: Exception) -> None:
        details = {"code": code.name} if code is not None else {}
        client_id = self._settings.agency
        self._log("session", "in_progress", client_id=client_id, **details, error=error)

    def _tell_sent(self) -> None:
        """Say once that all bets are on the central's disk."""
        if self._sent_told:
            return
        self._sent_told = True
        left_out = {"skipped": self._skipped.count} if self._skipped.count else {}
        self._log(
            "apuesta_enviada",
            "success",
            client_id=self._settings.agency,
            cantidad=self._upload.acknowledged,
            **left_out,
        )
