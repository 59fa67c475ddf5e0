"""The tables that people read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lottery.audit.data import Audit
from lottery.audit.findings import AgencyReport, DrawReport

#: The agencies of one draw are shown without being asked for if there are no more.
_FEW_AGENCIES: Final = 20

_DRAWS: Final = (
    (">", "draw"), ("<", "state"), (">", "agencies"), (">", "bets"), (">", "winners"),
    (">", "bytes"), ("<", "checked"), ("<", "result"),
)  # fmt: skip
_AGENCIES: Final = (
    (">", "agency"), ("<", "dialect"), (">", "bets"), (">", "winners"), ("<", "received"),
    ("<", "outcome"),
)  # fmt: skip
_NOTHING: Final = "-"


def lines_of(audit: Audit, agencies: bool) -> Iterator[str]:
    """Yield what there is to say of an audit, line by line, without line ends.

    All of it can be shown: what was found is escaped where it could move a cursor.

    :param agencies: whether to show the agencies of every draw; those of a single draw with
        few of them are shown all the same.
    """
    if audit.draws:
        yield from _table(_DRAWS, [_row_of_draw(draw) for draw in audit.draws])
    for draw in audit.draws:
        few = len(audit.draws) == 1 and len(draw.agencies) <= _FEW_AGENCIES
        if draw.agencies and (agencies or few):
            number = draw.winning_number
            yield ""
            yield f"draw {draw.number}" + ("" if number is None else f", winning number {number}")
            yield from _table(_AGENCIES, [_row_of_agency(agency) for agency in draw.agencies])
    yield ""
    for draw in audit.draws:
        for tail in draw.unfinished:
            place = f"draw {draw.number}, {tail.segment}, byte {tail.at}"
            yield f"{place}: {_count(tail.length, 'byte')} being written or cut"
        if draw.difference is not None:
            yield shown(f"draw {draw.number}, {draw.difference}")
    for difference in audit.differences:
        yield shown(str(difference))
    yield summary(audit)


def shown(text: str) -> str:
    """Give text in which nothing moves a cursor, whatever was found."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def summary(audit: Audit) -> str:
    """Give the last line: how many draws and bets, and whether anything differs."""
    if not audit.draws and audit.is_clean:
        return "there is no draw yet"
    if audit.is_clean:
        bets = sum(draw.bets or 0 for draw in audit.draws)
        return f"{_count(len(audit.draws), 'draw')}, {_count(bets, 'bet')}: nothing differs"
    found = sum(draw.difference is not None for draw in audit.draws)
    parts = [f"{found} of {_count(len(audit.draws), 'draw')}"] if found else []
    if audit.differences:
        parts.append(audit.place)
    return f"{' and '.join(parts)} {'differ' if found > 1 or len(parts) > 1 else 'differs'}"


def _row_of_draw(draw: DrawReport) -> tuple[str, ...]:
    ended = sum(agency.ended for agency in draw.agencies)
    return (
        str(draw.number),
        draw.state,
        f"{ended}/{len(draw.agencies)}" if draw.agencies else _NOTHING,
        _number(draw.bets),
        _number(draw.winners),
        f"{draw.size:,}",
        " ".join(name.removesuffix(".csv") for name in draw.checked) or _NOTHING,
        "clean" if draw.difference is None else "DIFFERS",
    )


def _row_of_agency(agency: AgencyReport) -> tuple[str, ...]:
    received = {None: _NOTHING, True: "yes", False: "no"}[agency.received]
    return (
        str(agency.agency),
        "classic" if agency.classic else "lottery/1",
        _number(agency.bets),
        _number(agency.winners),
        received,
        shown(agency.outcome),
    )


def _number(number: int | None) -> str:
    return _NOTHING if number is None else f"{number:,}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _table(columns: Sequence[tuple[str, str]], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield a heading and rows, each column as wide as it has to be."""
    titles = tuple(title for _, title in columns)
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        cells = (
            f"{cell:{align}{width}}"
            for cell, (align, _), width in zip(row, columns, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()
