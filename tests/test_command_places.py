"""Where commands find draws: what is said of a database that is none, or is not there."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

from lottery.command import main
from lottery.command.places import in_words, is_database

COMMANDS = ("audit", "export", "results")
PASSWORD = "b1gsecret"


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def said(capsys: pytest.CaptureFixture[str], status: int, *words: str) -> str:
    """Run a command that has only a sentence to say; gives that."""
    assert main([*words]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("lottery: ")
    assert captured.err.count("\n") == 1
    assert PASSWORD not in captured.err
    return captured.err.removeprefix("lottery: ").rstrip("\n")


def test_places() -> None:
    """What begins like a URL is no directory; nothing of it is repeated."""
    for url in (f"postgresql://u:{PASSWORD}@host/db", "postgres://host"):
        assert is_database(url)
        assert in_words(url) == "the database"
    for path in ("postgresql", "./postgresql://host", "/var/lib/lottery"):
        assert not is_database(path)
    assert in_words("lottery-data/") == "lottery-data"


@pytest.mark.parametrize("command", COMMANDS)
def test_nobody_there(capsys, nobody: int, command: str) -> None:
    """Status 2 and why."""
    url = f"postgresql://u:{PASSWORD}@127.0.0.1:{nobody}/lottery"
    sentence = said(capsys, 2, command, url)
    begin = "the database cannot be read, " if command == "audit" else "the ledger cannot be used, "
    assert sentence.startswith(begin)
    assert "Connection refused" in sentence


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:%zz{PASSWORD}@host/db",
        f"postgresql://u:{PASSWORD} x@host/db",
        f"postgresql://u:{PASSWORD}@host/db?sslmode",
        f"postgresql://u:{PASSWORD}@host/db?word=x",
        f"postgresql://127.0.0.1:{PASSWORD}/db",
    ],
)
def test_no_url(capsys, command: str, url: str) -> None:
    """Nothing of it is repeated, for it may have a password, perhaps in the wrong place."""
    sentence = said(capsys, 2, command, url)
    assert sentence == "the URL of the database is no connection string that PostgreSQL knows"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:p@127.0.0.1:{PASSWORD}@127.0.0.1:1/db",
        f"postgresql://u:p@{PASSWORD}@127.0.0.1:1/db",
        f"postgresql://u:p@{PASSWORD}/x@127.0.0.1:1/db",
        f"postgresql://u:{PASSWORD}/7@127.0.0.1:1/db",
        f"postgresql://u:12/{PASSWORD}@127.0.0.1:1/db",
    ],
)
def test_a_password_that_is_not_escaped(capsys, command: str, url: str) -> None:
    """Nothing of it is repeated, and it is said how to write it."""
    sentence = said(capsys, 2, command, url)
    assert sentence == (
        "the URL of the database has an @ where none can be: "
        "in a password, @ is written %40 and / is written %2F"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_without_the_extra(capsys, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "lottery.ledger.postgres.connection", None)
    assert said(capsys, 2, command, "postgresql://host/db") == (
        "a ledger in PostgreSQL needs one more package: pip install 'lottery-central[postgres]'"
    )


def test_files_are_of_databases(capsys, tmp_path) -> None:
    """A data directory has them already."""
    sentence = said(capsys, 2, "export", str(tmp_path), "--data-dir", "other")
    assert sentence == "option --data-dir is for a draw in a database"
    sentence = said(capsys, 2, "export", "postgresql://host/db", "--data-dir", "")
    assert sentence == "option --data-dir is '', it must be a directory"
