"""``lottery.command.sample``: its options, its files, and what it says to bad values."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import pytest
from twisted.python import usage

from lottery.bets import line_rows
from lottery.command.sample import Options, run
from lottery.errors import SettingsError


def fresh_options() -> Options:
    """Options that nothing has been told yet."""
    return Options()  # type: ignore[no-untyped-call]


def sample(*words: str | Path) -> tuple[int, str]:
    """Parse and run: the exit status and what was printed."""
    options = fresh_options()
    options.parseOptions([str(word) for word in words])
    stdout = io.StringIO()
    return run(options, stdout), stdout.getvalue()


def test_defaults(tmp_path: Path) -> None:
    """Five agencies, 20000 bets, one line printed for each file."""
    status, printed = sample(tmp_path)
    assert status == 0
    lines = [line.split("  ") for line in printed.splitlines()]
    assert [path for path, _ in lines] == [str(tmp_path / f"agency-{n}.csv") for n in range(1, 6)]
    assert sum(int(bets.removesuffix(" bets")) for _, bets in lines) == 20000
    assert sorted(tmp_path.iterdir()) == [tmp_path / f"agency-{n}.csv" for n in range(1, 6)]


def test_files_are_like_real_ones(tmp_path: Path) -> None:
    """CRLF after every row, UTF-8 without a mark, no header, as many rows as printed."""
    _, printed = sample(tmp_path / "a b" / "day", "--agencies", "3", "--bets", "100")
    for line in printed.splitlines():
        path, bets = line.removesuffix(" bets").split("  ")
        content = Path(path).read_bytes()
        assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r") == int(bets)
        rows = line_rows(content.replace(b"\r\n", b"\n"), int(bets), date(2025, 1, 1))
        assert len(rows) == int(bets)


def test_options_before_and_behind_the_directory(tmp_path: Path) -> None:
    """Both orders are the same, with and without an equals sign."""
    _, behind = sample(tmp_path, "--agencies", "2", "--bets=9", "--seed", "3")
    _, before = sample("--seed", "3", "--bets", "9", "--agencies=2", tmp_path)
    assert behind == before
    assert behind.count(" bets\n") == 2


def test_command_line_of_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without words of their own the options are read from the command line."""
    monkeypatch.setattr("sys.argv", ["sample", str(tmp_path), "--bets", "9"])
    options = fresh_options()
    options.parseOptions()
    assert (options["directory"], options["bets"]) == (str(tmp_path), 9)


def test_same_seed_same_files(tmp_path: Path) -> None:
    """Written twice, also over files that are there; another seed gives another day."""
    for directory, seed in (("one", "7"), ("two", "7"), ("two", "7"), ("three", "8")):
        sample(tmp_path / directory, "--bets", "300", "--seed", seed)
    one, two, three = (
        [path.read_bytes() for path in sorted((tmp_path / directory).iterdir())]
        for directory in ("one", "two", "three")
    )
    assert one == two
    assert one != three


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("day", "--agencies", "0"), "--agencies must be at least 1"),
        (("day", "--agencies", "-1"), "--agencies must be a whole number"),
        (("day", "--bets", "4"), "--bets must be at least 5, one for each agency, not 4"),
        (("day", "--bets", "many"), "--bets must be a whole number"),
        (("day", "--bets", "7_574"), "--bets must be a whole number"),
        (("day", "--seed", "9" * 5000), "--seed must be a whole number"),
        ((), "one directory"),
        (("day", "night"), "one directory"),
    ],
)
def test_bad_values_are_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], sentence: str
) -> None:
    """The option is named, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as refusal:
        sample(*words)
    assert sentence in str(refusal.value)
    assert len(str(refusal.value)) < 200
    assert not list(tmp_path.iterdir())


def test_unknown_option() -> None:
    """It is Twisted's own error."""
    with pytest.raises(usage.UsageError, match="--wrong"):
        sample("day", "--wrong")


def test_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """A file stands where the directory should be."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "day"):
        with pytest.raises(SettingsError, match=f"^cannot write to {path}, "):
            sample(path)


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    """The path that stands in the way is named."""
    (tmp_path / "agency-2.csv").mkdir()
    with pytest.raises(SettingsError, match=r"agency-2\.csv"):
        sample(tmp_path)


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space")])
def test_output_that_is_not_taken(error: OSError, tmp_path: Path) -> None:
    """What is wrong with stdout is not blamed on the directory; the program knows what to do."""

    class Stdout(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    options = fresh_options()
    options.parseOptions([str(tmp_path / "day"), "--bets", "9"])
    with pytest.raises(OSError) as caught:
        run(options, Stdout())
    assert caught.value is error
    assert (tmp_path / "day" / "agency-1.csv").exists()


def test_help_has_a_line_for_each_option() -> None:
    """Each with its default."""
    text = str(fresh_options())
    for option, default in (("agencies", 5), ("bets", 20000), ("seed", 1)):
        (line,) = (line for line in text.splitlines() if f"--{option}=" in line)
        assert line.endswith(f"[default: {default}]")
