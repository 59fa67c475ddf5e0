"""What a page is made of: text in which nothing is markup, and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from lottery.audit.report import shown

#: In the place of what there is none of.
NOTHING: Final = "-"


def escaped(text: str) -> str:
    """Give text as it stands in a page, in which nothing is markup and nothing moves a cursor."""
    return escape(shown(text))


def table(
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    totals: Sequence[object] | None = None,
) -> str:
    """Give a table; whole numbers are set to the right, None is a dash."""
    head = "".join(f'<th scope="col">{escaped(column)}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
    foot = f"<tfoot><tr>{''.join(map(_cell, totals))}</tr></tfoot>\n" if totals else ""
    return (
        f'<div class="wide" tabindex="0"><table>\n<caption>{escaped(caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n{foot}</table></div>\n"
    )


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f'<td class="number">{value:,}</td>'
    text = NOTHING if value is None else escaped(str(value))
    return f"<td><code>{text}</code></td>" if len(text) == 64 else f"<td>{text}</td>"
