"""The first winners of an errand as a table."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from rich import box
from rich.console import JustifyMethod, RenderableType
from rich.constrain import Constrain
from rich.table import Table

from lottery.agency.wording import line_of, shown

#: All columns need a terminal of so many; below that there are those by which one is paid.
WIDE = 60

_TITLES = ("document", "name", "birthdate", "number")
#: No document is longer, nor is anything else but names.
_LONGEST_FIGURE = 15


def winners_table(rows: Sequence[str], width: int) -> RenderableType:
    """Draw winning rows, which may hold whatever a central says.

    :param rows: ``first,last,document,birthdate,number``, at least one.
    :param width: columns of the terminal; the last one stays free.
    """
    cells = [_cells(row, wide=width >= WIDE) for row in rows]
    table = Table(box=box.ROUNDED)
    for title in _TITLES[: len(cells[0])]:
        justify: JustifyMethod = "right" if title in ("document", "number") else "left"
        # Only a column that may wrap gives way to others; that names do not is said of each.
        longest = None if title == "name" else _LONGEST_FIGURE
        table.add_column(title, justify=justify, no_wrap=title != "name", max_width=longest)
    for row in cells:
        table.add_row(*map(line_of, row))
    # Marks that are counted as no column here have one of their own on some terminals.
    marks = max(sum(unicodedata.category(c) == "Mc" for c in name) for _, name, *_ in cells)
    return Constrain(table, width - 1 - min(marks, width // 3))


def _cells(row: str, *, wide: bool) -> list[str]:
    first, last, document, birthdate, number = map(shown, row.split(","))
    return [document, f"{first} {last}", *((birthdate, number) if wide else ())]
