"""What an errand looks like on a terminal, at one moment and in one width.

Every line fits: of its pieces, the long forms are shown if there is room, else the short ones, else
as many of those as fit. One column stays free, for terminals that begin a new line when the last
one is used. Names and sentences of others are text, whatever they hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lottery.agency.progress import Pace, Phase, Progress
from lottery.agency.winners_table import winners_table
from lottery.agency.wording import Piece, about, counted, duration, fitted, line_of, shown
from lottery.settings import AgencySettings

#: A bar that is longer tells no more.
LONGEST_BAR = 60
_PERCENT_COLUMNS = 6
#: A time below that is told with tenths, once it is over.
_SOON_SECONDS = 10


class Picture:
    """Draws an errand.

    :param settings: whose errand, from where and whereto.
    :param progress: how far it is.
    """

    def __init__(self, settings: AgencySettings, progress: Progress) -> None:
        self._progress = progress
        self._agency = f"agency {settings.agency}"
        self._file = shown(settings.input.name)
        self._output = shown(str(settings.output))
        self._central = f"{shown(settings.host)}:{settings.port}"
        self._pace = Pace()

    def now(self, seconds: float, width: int) -> RenderableType:
        """Draw what there is to be seen now; the pace is taken from one time to the next."""
        progress = self._progress
        if progress.phase is Phase.SENDING:
            self._pace.note(seconds, progress.acknowledged)
        else:
            self._pace.restart()
        lines: list[RenderableType] = [self._headline(*self._doing(), width - 1)]
        lines.append(self._bar(seconds, width - 1))
        lines += self._figures(width - 1, self._moving(seconds))
        if progress.trouble:
            lines.append(line_of(shown(progress.trouble), "yellow"))
        return Constrain(Group(*lines), max(width - 1, 1))

    def end(self, width: int) -> RenderableType:
        """Draw what came of it."""
        lines: list[RenderableType] = [self._headline(*self._outcome(), width - 1)]
        lines += self._figures(width - 1, self._lasting())
        return Constrain(Group(*lines), max(width - 1, 1))

    def winners(self, width: int) -> Iterator[RenderableType]:
        """Draw the first winners, and say where all of them are, if there is such a file."""
        progress, output = self._progress, self._output
        if progress.result.result != "success":
            return
        if progress.first_winners:
            yield winners_table(progress.first_winners, width)
        if more := progress.winners - len(progress.first_winners):
            yield Text(f"and {more:,} more in {output}")
        else:
            yield Text(f"written to {output}")

    def _doing(self) -> tuple[str, Piece, str]:
        """The headline: what is being done, where, and its style."""
        phase, draw = self._progress.phase, f"draw {self._progress.result.draw}"
        there = self._central
        match phase:
            case Phase.READING:
                return "reading", (self._file, self._file), "bold"
            case Phase.CONNECTING:
                return "connecting", (f"to the central at {there}", there), "bold"
            case Phase.AWAY:
                return "no central", (f"at {there}", there), "bold yellow"
            case Phase.COMPARING:
                return "comparing", (f"{self._file} with {draw}", self._file), "bold"
            case Phase.SENDING:
                return "sending", (f"{self._file} to {draw} at {there}", f"to {draw}"), "bold"
            case Phase.HELD:
                return "held up", (f"by the central at {there}", there), "bold yellow"
            case Phase.WAITING:
                return f"waiting for {draw}", (f"at {there}", ""), "bold"

    def _outcome(self) -> tuple[str, Piece, str]:
        result = self._progress.result
        if result.result == "success":
            number, winners = result.winning_number, counted(result.winners or 0, "winner")
            long = f"| draw {result.draw}, number {number}"
            return winners, (long, f"| number {number}"), "bold green"
        if result.result == "fail":
            return "failed", ("| the reason is above", ""), "bold red"
        return "stopped", ("| the same command goes on from here", ""), "bold yellow"

    def _headline(self, doing: str, where: Piece, style: str, width: int) -> Text:
        head = f"{self._agency}: {doing}"
        for detail in where:
            if detail and cell_len(f"{head} {detail}") <= width:
                return line_of(f"{head} {detail}", style)
        return line_of(head, style)

    def _bar(self, seconds: float, width: int) -> RenderableType:
        room = min(width - _PERCENT_COLUMNS, LONGEST_BAR)
        percent = self._percent()
        figure = "" if percent is None else f"{percent} %"
        if room < 1:
            return line_of(figure)
        bar = ProgressBar(
            None if percent is None else 100, percent or 0, width=room, animation_time=seconds
        )
        grid = Table.grid()
        grid.add_column(width=room)
        grid.add_column(width=_PERCENT_COLUMNS, justify="right", no_wrap=True)
        grid.add_row(bar, Text(figure))
        return grid

    def _percent(self) -> int | None:
        """How much of the file is stored; None: that is unknown, or no longer of interest."""
        progress, total = self._progress, self._progress.total
        if total is None or progress.phase in (Phase.READING, Phase.WAITING):
            return None
        if not total.bets:
            return 100
        # Only who has all of a file, and knows it, is at its end.
        return min(progress.acknowledged * 100 // total.bets, 100 if total.exact else 99)

    def _figures(self, width: int, second: Sequence[Piece]) -> Iterator[Text]:
        yield line_of(fitted(self._counts(), width))
        if second:
            yield line_of(fitted(second, width))

    def _counts(self) -> list[Piece]:
        progress, total = self._progress, self._progress.total
        stored = f"{progress.acknowledged:,}"
        if total is None or (total.exact and total.bets == progress.acknowledged):
            bets = counted(progress.acknowledged, "bet")
            pieces = [(f"{bets} acknowledged", bets)]
        elif total.exact:
            bets = f"{stored} of {counted(total.bets, 'bet')}"
            pieces = [(f"{bets} acknowledged", bets)]
        else:
            guess = counted(about(total.bets), "bet")
            pieces = [(f"{stored} of about {guess} acknowledged", f"{stored} of ~{guess}")]
        if progress.sent > progress.acknowledged:
            pieces.append((f"{progress.sent:,} sent", f"{progress.sent:,} sent"))
        if progress.skipped:
            left_out = f"{progress.skipped:,} left out"
            pieces.append((left_out, left_out))
        return pieces

    def _moving(self, seconds: float) -> list[Piece]:
        """What changes with time; the same number of lines in every phase of sending."""
        progress, pieces = self._progress, list[Piece]()
        match progress.phase:
            case Phase.AWAY | Phase.HELD:
                again = f"in {math.ceil(max(progress.again_at - seconds, 0))} s"
                pieces.append((f"tries again {again}", f"again {again}"))
                if progress.attempts:
                    attempts = counted(progress.attempts, "attempt")
                    pieces.append((f"{attempts} in vain", attempts))
            case Phase.SENDING:
                pieces += self._rate()
            case Phase.READING | Phase.CONNECTING | Phase.COMPARING | Phase.WAITING:
                waited = duration(seconds - progress.since)
                pieces.append((f"for {waited}", f"for {waited}"))
        return pieces + self._comings()

    def _rate(self) -> list[Piece]:
        progress, per_second = self._progress, self._pace.per_second
        if per_second is None:
            return [("- bets/s", "- bets/s")]
        rate = f"{per_second:,.0f}"
        pieces = [(f"{rate} bets/s", f"{rate}/s")]
        if progress.total is not None and per_second >= 1:
            missing = max(progress.total.bets - progress.acknowledged, 0)
            left = duration(math.ceil(missing / per_second))
            pieces.append((f"{left} left", f"{left} left"))
        return pieces

    def _lasting(self) -> list[Piece]:
        """What is still of interest in the end."""
        took = self._progress.sending_seconds
        if took is None:
            return self._comings()
        time = duration(took) if took >= _SOON_SECONDS else f"{took:.1f} s"
        return [(f"sent in {time}", f"in {time}"), *self._comings()]

    def _comings(self) -> list[Piece]:
        if not (count := self._progress.reconnections):
            return []
        return [(counted(count, "reconnection"), f"{count:,} reconn.")]
