"""Reads our Markdown pages, for the tests that hold them against the code."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def page(name: str) -> str:
    """Give the text of a page, by its path from the root of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """Give what stands under a heading, down to the next one of its level or above."""
    level = heading.split(" ", 1)[0]
    _, found, rest = f"\n{text}".partition(f"\n{heading}\n")
    assert found, f"the page has no heading {heading!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def table(text: str, *columns: str) -> list[list[str]]:
    """Give the cells of the one table with this heading, row by row."""
    heading = f"| {' | '.join(columns)} |\n"
    _, found, rest = text.partition(heading)
    assert found, f"the page has no table with the heading {heading!r}"
    assert heading not in rest, f"the page has two tables with the heading {heading!r}"
    rows = []
    for line in rest.splitlines()[1:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip()[1:-1].split("|")])
    assert all(len(row) == len(columns) for row in rows), rows
    return rows


def code(text: str, language: str) -> list[str]:
    """Give the blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def links(text: str) -> list[str]:
    """Give the files that a page points to."""
    found = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    return [link for link in found if "://" not in link]
