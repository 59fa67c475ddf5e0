"""``lottery.audit.page``: one page that needs nothing else, whatever was found."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from audit_rig import STATES, TODAY, a_draw, write_draw
from fairness_rig import HARMS, random_draw

from lottery.audit.data import Audit, audit
from lottery.audit.differences import Difference
from lottery.audit.page import page_of
from lottery.ledger.directory import DataDirectory

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
VOID = {"meta"}
HARMLESS = {
    "html", "head", "meta", "title", "style", "body", "main", "section", "h1", "h2", "h3", "p",
    "span", "ul", "li", "div", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td",
    "code", "svg", "rect", "polygon", "line", "details", "summary", "pre",
}  # fmt: skip


class Reader(HTMLParser):
    """Reads a page strictly: every element is closed, known, and asks nobody for anything."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.bars: list[float] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        in_svg = "svg" in self.open
        assert tag in HARMLESS or (in_svg and tag == "title"), tag
        names = {name for name, _ in attrs}
        assert not names & {"src", "href", "style"}
        assert not [name for name in names if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag == "rect":
            self.bars.append(float(dict(attrs)["height"] or ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data

    def rows(self, *columns: str) -> list[list[str]]:
        """The rows of the one table with these columns."""
        (found,) = (table[1:] for table in self.tables if table[0] == list(columns))
        return found


def read(found: Audit, directory: str = "ledger") -> Reader:
    reader = Reader()
    text = "".join(page_of(found, directory, NOW))
    assert text.startswith('<!doctype html>\n<html lang="en">')
    assert "default-src 'none'" in text
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("state", STATES)
def test_figures_are_those_of_the_ledger(tmp_path: Path, state: str) -> None:
    """In every state; what is not there yet is not shown."""
    rig = a_draw(state)
    files = rig.files(state)
    write_draw(tmp_path, 1, files)
    found = audit(tmp_path, TODAY, in_detail=True)
    (report,) = found.draws
    page = read(found)
    assert "Audit: nothing differs" in page.text
    assert f"Draw 1: {state}" in page.text
    columns = ("agency", "dialect", "bets", "winners", "received", "outcome")
    *rows, total = page.rows(*columns)
    assert [(row[0], row[2]) for row in rows] == [
        (str(each.agency), str(each.bets)) for each in report.agencies
    ]
    assert (total[0], total[2]) == ("all", str(report.bets))
    files_shown = {row[1]: row[2] for row in page.rows("UTC", "file", "bytes")}
    assert files_shown == {name: f"{len(data):,}" for name, data in files.items()}
    if "bets.csv" in files:
        counted = Counter(int(row.rpartition(b",")[2]) for row in files["bets.csv"].splitlines())
        assert report.numbers == counted
        every = page.text.partition("number,bets\n")[2].partition("\n\n")[0]
        assert every.splitlines()[: len(counted)] == [
            f"{number},{bets}" for number, bets in sorted(counted.items())
        ]
        assert len(page.bars) == 100
        assert max(page.bars) == 100
    elif report.numbers:
        assert report.numbers.total() == report.bets
    else:
        assert state == "open"
        assert "Bets per number" not in page.text


def test_the_proof(tmp_path: Path) -> None:
    """What the number was made of, and the number again."""
    draw = random_draw(tmp_path)
    record = draw.read()
    assert record.secret is not None
    assert record.bets_csv is not None
    rows = dict(read(audit(tmp_path, TODAY, in_detail=True)).rows("what", "value"))
    assert rows["the secret"] == record.secret.hex()
    assert rows["promised: SHA-256 of the secret"] == record.commitment
    assert rows["SHA-256 of bets.csv"] == record.bets_csv.sha256
    assert rows["the number that it gives"] == rows["the number that was drawn"]
    assert rows["the number that was drawn"] == str(record.winning_number)
    assert {name for name in rows if "random bytes" in name} == {
        "random bytes of agency 2",
        "random bytes of agency 3",
    }


@pytest.mark.parametrize("name", HARMS)
def test_differences_come_first(tmp_path: Path, name: str) -> None:
    """Each is there, in the words of the table of text."""
    HARMS[name][0](random_draw(tmp_path))
    page = read(audit(tmp_path, TODAY, in_detail=True))
    assert "Audit: something differs" in page.text
    assert page.text.index("Differences") < page.text.index("Draw 1")
    assert HARMS[name][2] in page.text


def test_nothing_yet(tmp_path: Path) -> None:
    """No draw at all, and a draw that is being made."""
    (tmp_path / "draws").mkdir()
    assert "there is no draw yet" in read(audit(tmp_path, TODAY)).text
    (tmp_path / "draws" / "000001").mkdir()
    assert "Draw 1: new" in read(audit(tmp_path, TODAY)).text
    DataDirectory(tmp_path).new_draw(5)
    assert "Draw 1: open" in read(audit(tmp_path, TODAY)).text


def test_nothing_that_was_found_gets_into_the_page(tmp_path: Path) -> None:
    """Names of files and directories are text, whatever they hold."""
    evil = '"><script>alert(1)</script>\x1b[2J\u202e'
    write_draw(tmp_path, 1, {**a_draw("open").files("open"), 'x"><b onx=y>.tmp': b""})
    found = audit(tmp_path, TODAY, in_detail=True)
    text = read(found._replace(differences=(Difference(evil, evil),)), evil).text
    assert "<script>alert(1)</script>" in text
    assert "\\x1b[2J\\u202e" in text
    assert "\x1b" not in text


def test_no_person_is_in_it(tmp_path: Path) -> None:
    """Neither names nor documents of who has bought or won."""
    rig = a_draw("delivered")
    write_draw(tmp_path, 1, rig.files("delivered"))
    text = "".join(page_of(audit(tmp_path, TODAY, in_detail=True), "ledger", NOW))
    for agency in rig.agencies:
        for row in agency.rows:
            first, last, document, *_ = row.split(",")
            assert f"{first} {last}" not in text
            assert f"{first},{last}" not in text
            assert f",{document}," not in text


def test_counts_of_a_part_are_not_shown(tmp_path: Path) -> None:
    """The check ended before all bets were counted, so there is no chart of some of them."""
    draw = random_draw(tmp_path)
    draw.bets_csv.write_bytes(draw.bets_csv.read_bytes().replace(b"\n10,", b"\n11,", 1))
    found = audit(tmp_path, TODAY, in_detail=True)
    assert found.draws[0].difference is not None
    assert found.draws[0].numbers is None
    assert "Bets per number" not in read(found).text


def test_a_file_of_no_day(tmp_path: Path) -> None:
    """A time that no calendar has is a dash."""
    write_draw(tmp_path, 1, a_draw("open").files("open"))
    found = audit(tmp_path, TODAY, in_detail=True)
    (draw,) = found.draws
    far = draw.entries[0]._replace(modified=10**24)
    page = read(found._replace(draws=(draw._replace(entries=(far,)),)))
    assert page.rows("UTC", "file", "bytes")[0][0] == "-"


def test_without_detail_nothing_of_it_is_kept(tmp_path: Path) -> None:
    """Many draws with many agencies would take much memory."""
    random_draw(tmp_path)
    (draw,) = audit(tmp_path, TODAY).draws
    assert (draw.record, draw.entries, draw.numbers) == (None, (), None)
