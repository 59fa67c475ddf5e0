"""A page that looks at a central, and everything that it says of errors."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page

PATIENCE_MS = 30_000


class Looker:
    """A page of a browser, open at the status page.

    :ivar page: Playwright's.
    :ivar complaints: what the console said, what was not caught, and requests that failed.
    """

    def __init__(self, browser: Browser, port: int, **context: Any) -> None:
        """:param context: language, size, colours: what Playwright's ``new_context`` takes."""
        options = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **context}
        self._context = browser.new_context(**options)
        self._context.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        self.page: Page = self._context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(f"http://127.0.0.1:{port}/")

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._context.close()
        if error is None:
            assert self.complaints == []

    def state(self, state: str) -> None:
        """Wait until the draw is in a state."""
        self.page.wait_for_selector(f'#draw-state[data-state="{state}"]')

    def draw(self, number: int, state: str) -> None:
        """Wait until a draw is shown, in a state."""
        self.page.wait_for_function(
            "([number, state]) => document.querySelector('#draw-number').textContent === number"
            " && document.querySelector('#draw-state').dataset.state === state",
            arg=[str(number), state],
        )

    def value(self, selector: str) -> int:
        """A figure, exactly."""
        return int(self.page.get_attribute(selector, "data-value") or "-1")

    def wait_value(self, selector: str, value: int) -> None:
        """Wait until a figure is so high."""
        self.page.wait_for_selector(f'{selector}[data-value="{value}"]', state="attached")

    def cell(self, agency: int, cell: str) -> str:
        """What stands in a cell of the table of agencies."""
        return self.page.inner_text(f'#agencies tr[data-agency="{agency}"] [data-cell="{cell}"]')

    def bets(self) -> dict[int, int]:
        """The bets of each agency that is shown."""
        rows = self.page.eval_on_selector_all(
            "#agencies tbody tr",
            "rows => rows.map(row => [Number(row.dataset.agency),"
            " Number(row.querySelector('[data-cell=bets]').dataset.value)])",
        )
        return dict(rows)

    def order(self) -> list[int]:
        """The agencies in the order in which they stand."""
        found: list[int] = self.page.eval_on_selector_all(
            "#agencies tbody tr", "rows => rows.map(row => Number(row.dataset.agency))"
        )
        return found

    def check_access(self) -> None:
        """Fail if axe-core finds anything: for screen readers, keyboards, eyes."""
        found = Axe().run(self.page).response["violations"]
        told = [
            f"{each['impact']} {each['id']}: {node['html'][:200]}"
            for each in found
            for node in each["nodes"]
        ]
        assert not told, "\n".join(told)

    def check_width(self) -> None:
        """Fail if the page has to be scrolled sideways."""
        wide = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0

    def picture(self, path: Path) -> None:
        """Take a picture of the whole page."""
        self.page.screenshot(path=path, full_page=True)
