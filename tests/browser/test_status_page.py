"""The status page in a browser, at a central that runs: from the first bet to the results.

With ``LOTTERY_PICTURES=DIR`` the pictures of docs/ are taken there.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from classic_agency import ClassicAgency, batch_of, batches_of
from live import LiveAgency, LiveCentral, made_up, sample
from looker import Looker
from lottery1_agency import Lottery1Agency, batch, end
from playwright.sync_api import Browser

STATUS = ("--status", "tcp:0")
THOUSAND = 1000


def status_port(central: LiveCentral) -> int:
    """Where the page of a central is."""
    return int(central.wait_for(r"action: status \| .* port: (\d+)")[1])


def pictures() -> Path | None:
    """Where pictures are wanted."""
    folder = os.environ.get("LOTTERY_PICTURES")
    return Path(folder) if folder else None


def ledger_of(central: LiveCentral, draw: int) -> tuple[dict[int, int], Counter[int]]:
    """The bets of each agency and on each number, as the sealed ledger has them."""
    rows = [row.split(",") for row in central.bets_csv(draw).decode().splitlines()]
    return Counter(int(row[0]) for row in rows), Counter(int(row[5]) for row in rows)


def record_of(central: LiveCentral, draw: int) -> dict:
    """The record of a draw."""
    return json.loads((central.data_dir / "draws" / f"{draw:06d}" / "draw.json").read_bytes())


def check_results(look: Looker, central: LiveCentral, draw: int) -> None:
    """The figures of the page are those of the ledger."""
    bets, numbers = ledger_of(central, draw)
    look.page.wait_for_selector(f'#result[data-draw="{draw}"]')
    look.page.wait_for_selector("#numbers rect")
    shown = look.page.eval_on_selector_all(
        "#numbers rect", "bars => bars.map(bar => Number(bar.dataset.bets))"
    )
    wanted = [
        sum(numbers[number] for number in range(first, first + 100))
        for first in range(0, 10_000, 100)
    ]
    assert shown == wanted
    assert look.value("#draw-bets") == sum(bets.values())
    record = record_of(central, draw)
    parts = {part["agency"]: part for part in record["agencies"]}
    for agency, part in list(parts.items())[:20]:
        assert look.value(f'#agencies tr[data-agency="{agency}"] [data-cell="winners"]') == (
            -1 if part["winners"] is None else part["winners"]
        )
    winners = sum(part["winners"] or 0 for part in parts.values())
    summary = look.page.inner_text("#result-summary")
    number = record["winning_number"]
    assert f"Number {number} has won: {winners:,} of {sum(bets.values()):,} bets" in summary


def test_a_day_of_five(browser: Browser, tmp_path: Path) -> None:
    """Three agencies of ours, a classic one, and one that is cut and does not come back."""
    sample(tmp_path, 3, 3000)
    options = (*STATUS, "--agencies", 5, "--rejoin", 1)
    with ExitStack() as stack:
        central = stack.enter_context(LiveCentral(tmp_path, *options, level="INFO"))
        look = stack.enter_context(Looker(browser, status_port(central)))
        look.draw(1, "open")
        assert look.page.inner_text("#agencies-none") == "No agency has come yet."
        look.check_access()
        cut = stack.enter_context(Lottery1Agency(central.port))
        cut.greet(4)
        cut.send(batch(0, made_up(7)))
        cut.acknowledged(7)
        look.wait_value('#agencies tr[data-agency="4"] [data-cell="bets"]', 7)
        assert look.cell(4, "state") == "sending"
        classic = stack.enter_context(ClassicAgency(central.port))
        classic.batch(made_up(5, number=7574))
        classic.acknowledged()
        look.wait_value("#draw-bets", 12)
        cut.close()
        ours = [
            stack.enter_context(
                LiveAgency(tmp_path, central.port, agency, tmp_path / f"agency-{file}.csv")
            )
            for file, agency in ((1, 2), (2, 3), (3, 5))
        ]
        classic.end()
        assert len(classic.winners()) == 5
        classic.close()
        look.draw(1, "delivered")
        assert [agency.wait() for agency in ours] == [0, 0, 0]
        look.page.wait_for_selector('#agencies tr[data-agency="5"][data-state="received"]')
        assert look.cell(4, "state") == "left out"
        assert "did not come back within 1 s" in look.cell(4, "why")
        bets, _ = ledger_of(central, 1)
        assert look.bets() == bets
        check_results(look, central, 1)
        assert "draw 2: open" in look.page.inner_text("#draw-others").lower()
        look.check_access()
        look.check_width()
        with look.page.expect_download() as download:
            look.page.click('#former tr[data-draw="1"] a')
        kept = Path(download.value.path()).read_bytes()
        assert kept == (central.data_dir / "draws/000001/draw.json").read_bytes()
        take_pictures(browser, status_port(central), look)


#: What a picture is of, and how the browser is that takes it.
VIEWS = {
    "desktop": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
    "spanish": {"locale": "es-AR"},
}


def take_pictures(browser: Browser, port: int, look: Looker) -> None:
    """Look at the page in each way, and keep a picture of it where some are wanted."""
    for name, context in VIEWS.items():
        with Looker(browser, port, **context) as other:
            other.page.wait_for_selector("#numbers rect", state="attached")
            other.page.wait_for_selector('#agencies tr[data-agency="5"]')
            assert other.bets() == look.bets()
            other.check_access()
            other.check_width()
            if folder := pictures():
                other.picture(folder / f"status-{name}.png")


def test_it_speaks_spanish(browser: Browser, tmp_path: Path) -> None:
    """Whoever's browser speaks Spanish reads all of it in Spanish, also why one is left out."""
    options = (*STATUS, "--agencies", 2, "--rejoin", 0, "--draws", 2)
    with (
        LiveCentral(tmp_path, *options, level="INFO") as central,
        Looker(browser, status_port(central), locale="es-AR") as look,
    ):
        assert look.page.get_attribute("html", "lang") == "es"
        with Lottery1Agency(central.port) as cut:
            cut.greet(7)
        with ClassicAgency(central.port) as classic:
            classic.whole_day(batches_of(made_up(1234), 100), None)
        look.draw(1, "delivered")
        look.wait_value("#draw-bets", 1234)
        assert look.page.inner_text("#draw-bets") == "1.234"
        assert look.cell(7, "why") in ("cerró la conexión", "se cortó la conexión")
        assert look.cell(7, "state") == "excluida"
        look.page.wait_for_selector("#result")
        assert "Ganó el número 7574: 0 de 1.234 apuestas" in look.page.inner_text("#result-summary")
        text = look.page.inner_text("body").replace("bets.csv", "")
        english = re.findall(r"\b(?:the|and|of|bets|agency|draw)\b", text, re.IGNORECASE)
        assert english == []


def test_a_thousand_agencies(browser: Browser, tmp_path: Path) -> None:
    """They can be searched and sorted; some fail, and the page says which and why."""
    options = (*STATUS, "--agencies", THOUSAND, "--rejoin", 1)
    cut = {agency for agency in range(THOUSAND) if agency % 100 == 99}
    bad = {agency for agency in range(THOUSAND) if agency % 100 == 50}
    with ExitStack() as stack:
        central = stack.enter_context(LiveCentral(tmp_path, *options, level="INFO"))
        look = stack.enter_context(Looker(browser, status_port(central)))
        look.draw(1, "open")
        agencies = {}
        for number in range(THOUSAND):
            agency = agencies[number] = stack.enter_context(Lottery1Agency(central.port))
            agency.greet(number)
            agency.send(batch(0, made_up(1 + number % 7, number=number)))
            agency.acknowledged(1 + number % 7)
        look.wait_value("#draw-bets", sum(1 + number % 7 for number in range(THOUSAND)))
        assert "1,000 agencies" in look.page.inner_text("#agencies-count")
        for number in bad:
            agencies[number].send(batch(1 + number % 7, ["Ana,Paz,x,1990-05-17,1"]))
            agencies[number].refusal()
        for number in cut:
            agencies[number].close()
        for number in agencies.keys() - cut - bad:
            agencies[number].send(end(1 + number % 7))
        for number in agencies.keys() - cut - bad:
            agencies[number].acknowledged(1 + number % 7, ended=True)
        for number in agencies.keys() - cut - bad:
            agencies[number].winners()
            agencies[number].close()
        look.draw(1, "drawn")
        bets, _ = ledger_of(central, 1)
        look.wait_value("#draw-left-out", len(cut | bad))
        check_results(look, central, 1)

        look.page.select_option("#state", "left_out")
        assert set(look.order()) == cut | bad
        assert "row 1, document holds" in look.cell(50, "why")
        assert "did not come back" in look.cell(99, "why")
        look.page.select_option("#state", "")
        look.page.fill("#search", "77")
        assert set(look.order()) == {number for number in range(THOUSAND) if "77" in str(number)}
        assert look.bets() == {number: bets[number] for number in look.order()}
        look.page.click("#agencies th[data-cell=bets] button")
        shown = look.order()
        assert shown == sorted(shown, key=lambda number: (-bets[number], number))
        assert look.page.get_attribute("#agencies th[data-cell=bets]", "aria-sort") == "descending"
        look.check_access()
        look.page.fill("#search", "")
        if folder := pictures():
            look.picture(folder / "status-thousand.png")


def test_the_central_goes_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    """The page says that it has lost it, and goes on by itself when there is one again."""
    with LiveCentral(tmp_path, *STATUS, level="INFO") as central:
        port = status_port(central)
        look = Looker(browser, port)
        look.draw(1, "open")
        look.page.wait_for_selector('#connection[data-state="live"]')
    look.page.wait_for_selector('#connection[data-state="lost"]')
    look.page.wait_for_selector("#lost:not([hidden])")
    options = ("--status", f"tcp:{port}", "--agencies", 1)
    with (
        LiveCentral(tmp_path, *options, level="INFO") as central,
        Lottery1Agency(central.port) as agency,
    ):
        agency.greet(3)
        look.page.wait_for_selector('#connection[data-state="live"]')
        look.page.wait_for_selector('#agencies tr[data-agency="3"]')
        assert look.page.is_hidden("#lost")
    look.complaints.clear()  # the browser's own words about a connection that is refused
    look.page.context.close()


@pytest.mark.parametrize("documents", [False, True])
def test_documents_only_if_wanted(browser: Browser, tmp_path: Path, documents: bool) -> None:
    """Documents of winners are shown to nobody unless the operator says so."""
    options = (*STATUS, "--agencies", 1, *(["--status-show-documents"] if documents else []))
    with (
        LiveCentral(tmp_path, *options, level="INFO") as central,
        Looker(browser, status_port(central)) as look,
    ):
        with ClassicAgency(central.port) as agency:
            winners = agency.whole_day([batch_of(made_up(2, number=7574))], None)
        look.draw(1, "delivered")
        look.page.wait_for_selector("#numbers rect", state="attached")
        text = look.page.inner_text("#parts")
        assert all((winner in text) == documents for winner in winners)
        assert look.page.is_visible("#documents-note") != documents
        files = look.page.inner_text('#former tr[data-draw="1"]')
        assert ("record winners" in files) == documents


def test_keyboard(browser: Browser, tmp_path: Path) -> None:
    """Everything can be reached without a mouse, in the order in which it stands."""
    with (
        LiveCentral(tmp_path, *STATUS, level="INFO") as central,
        Looker(browser, status_port(central)) as look,
    ):
        look.draw(1, "open")
        look.page.keyboard.press("Tab")
        assert look.page.evaluate("document.activeElement.className") == "skip"
        reached = []
        for _ in range(30):
            look.page.keyboard.press("Tab")
            reached.append(
                look.page.evaluate(
                    "document.activeElement.id"
                    " || document.activeElement.closest('th')?.dataset.cell"
                )
            )
        for each in ("search", "state", "id", "why"):
            assert each in reached
        look.page.focus("#agencies th[data-cell=name] button")
        look.page.keyboard.press("Enter")
        assert look.page.get_attribute("#agencies th[data-cell=name]", "aria-sort") == "ascending"
