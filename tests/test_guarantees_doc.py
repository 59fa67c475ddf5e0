"""docs/guarantees.md: each promise has its tests, and they are there."""

from __future__ import annotations

import re

import pytest
from pages import ROOT, links, page, section

PAGE = page("docs/guarantees.md")
PROMISES = re.findall(r"^## (\d+\. .*)$", PAGE, re.MULTILINE)
NAMED = sorted(set(re.findall(r"`(tests/[^`]*)`", PAGE)))


def test_all_promises_are_there() -> None:
    """One to eleven, in order."""
    assert [int(name.partition(".")[0]) for name in PROMISES] == list(range(1, 12))


@pytest.mark.parametrize("promise", PROMISES)
def test_each_is_held_by_tests(promise: str) -> None:
    """Each says which, and what it does not cover; one that is not kept yet says that."""
    text = section(PAGE, f"## {promise}")
    assert "Not yet" in text or ("- `tests/" in text and "Not covered" in text)


@pytest.mark.parametrize("name", NAMED)
def test_named_tests_are_there(name: str) -> None:
    """A file that is named exists, and so does something in a folder that is."""
    found = list(ROOT.glob(f"{name}*" if name.endswith("/") else name))
    assert found


@pytest.mark.parametrize("doc", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_links(doc: str) -> None:
    """What a page points to is there."""
    for link in links(page(f"docs/{doc}")):
        assert (ROOT / "docs" / link).exists(), link


SECURITY = page("docs/security.md")
SHOWN = sorted(set(re.findall(r"`((?:tests|benchmarks)/[^`]*\.py(?:::\w+)?)`", SECURITY)))


@pytest.mark.parametrize("name", SHOWN)
def test_what_security_names_is_there(name: str) -> None:
    """What an attacker can and cannot do is shown by tests that there are."""
    file, _, function = name.partition("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not function or re.search(rf"^ *(async )?def {function}\(", text, re.MULTILINE)
