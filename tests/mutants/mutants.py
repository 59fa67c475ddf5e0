"""Plants bugs in copies of the repository, one at a time, and shows that the suite finds each.

    python tests/mutants/mutants.py [WORD...]

With words, only mutants are planted that have one of them in their name. A mutant whose own tests
let it pass is given to the whole suite. The exit status is 1 if one survives even that, if tests
fail without a mutant, or if the table does not fit the code.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Final, NamedTuple

from mutant_table import MUTANTS, Edit, Mutant

ROOT: Final = Path(__file__).resolve().parents[2]
#: How many run at once: most of the tests wait for processes.
AT_ONCE: Final = 2
#: For a selection of tests, and for all of them.
SOME_SECONDS: Final = 300.0
ALL_SECONDS: Final = 3600.0
#: But for what holds the table against the code: that finds every mutant.
WHOLE_SUITE: Final = ("tests", "--ignore=tests/mutants/test_mutant_table.py")

_LEFT_BEHIND: Final = (".git", ".venv*", ".tox", ".*_cache", ".hypothesis", "__pycache__")
_MADE: Final = ("build", "dist", "demo", "htmlcov", "*.egg-info", "lottery-data", "dropin.cache")
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


class Misfit(Exception):
    """Something is wrong with the table, or with the suite as it is; the text says what."""


class Verdict(NamedTuple):
    """What a run of tests came to: ``caught`` names the first that failed, or is empty."""

    caught: str
    seconds: float
    output: str


def plant(edit: Edit, root: Path) -> None:
    """Change a file of a copy.

    :raises Misfit: if the text to be replaced is not there exactly once.
    """
    path = root / edit.file
    path.write_text(planted(edit, path.read_text(encoding="utf-8")), encoding="utf-8")


def planted(edit: Edit, text: str) -> str:
    """Give a file's text with the bug in it; raises as :func:`plant`."""
    if text.count(edit.old) != 1:
        raise Misfit(f"{edit.file} has {text.count(edit.old)} times what is to be one:\n{edit.old}")
    return text.replace(edit.old, edit.new)


def copy(place: Path) -> Path:
    """Copy the repository as it is now to a folder of its own."""
    ignored = shutil.ignore_patterns(*_LEFT_BEHIND, *_MADE)
    return Path(shutil.copytree(ROOT, place, ignore=ignored))


def run_tests(root: Path, tests: Sequence[str]) -> Verdict:
    """Run tests of a copy up to the first that fails.

    :raises Misfit: if they come to no end, or if pytest cannot run them.
    """
    limit = ALL_SECONDS if tests is WHOLE_SUITE else SOME_SECONDS
    options = ("-x", "-q", "--tb=short", "-p", "no:cacheprovider")
    place = tempfile.mkdtemp(dir=root.parent)
    command = (sys.executable, "-m", "pytest", *options, f"--basetemp={place}/tests", *tests)
    started = monotonic()
    with subprocess.Popen(
        command,
        cwd=root,
        # Also for the processes that the tests start: the package is the copy's.
        env={**os.environ, "PYTHONPATH": str(root), "CI": "true"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="backslashreplace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise Misfit(f"{' '.join(tests)} came to no end in {limit:g} s") from None
        finally:
            # Whatever a test that failed has left running belongs to this session.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    shutil.rmtree(place, ignore_errors=True)
    failed = _FAILED.search(output)
    # Without "::" it is a file that could not even be read.
    well = process.returncode == 0 or (process.returncode == 1 and failed and "::" in failed[1])
    if not well:
        raise Misfit(f"pytest has ended with {process.returncode}\n{output}")
    return Verdict(failed[1] if failed else "", monotonic() - started, output)


class Trial:
    """Plants mutants; what their tests say without them is found out once for each selection."""

    def __init__(self, place: Path) -> None:
        """:param place: an empty folder for the copies.

        :raises Misfit: if the tests of a copy would look at the original.
        """
        self._place = place
        self._whole = copy(place / "whole")
        self._lock = Lock()
        self._good: set[tuple[str, ...]] = set()
        words = (sys.executable, "-P", "-c", "import lottery; print(lottery.__file__)")
        environment = {**os.environ, "PYTHONPATH": str(self._whole)}
        found = subprocess.check_output(words, env=environment, encoding="utf-8").strip()
        if not Path(found).is_relative_to(self._whole):
            raise Misfit(f"the tests of a copy would be those of {found}")

    def try_out(self, number: int, mutant: Mutant) -> Verdict:
        """Plant a mutant in a copy and give what found it, if anything did.

        :raises Misfit: if nothing can be said about it.
        """
        root = copy(self._place / f"mutant-{number}")
        for edit in mutant.edits:
            plant(edit, root)
        for tests in (mutant.tests, WHOLE_SUITE):
            self._expect_good(tests)
            verdict = run_tests(root, tests)
            if verdict.caught:
                shutil.rmtree(root)
                return verdict
        return verdict

    def _expect_good(self, tests: tuple[str, ...]) -> None:
        """See that tests pass without a mutant."""
        with self._lock:
            if tests in self._good:
                return
            verdict = run_tests(self._whole, tests)
            if verdict.caught:
                raise Misfit(f"{verdict.caught} fails without a mutant\n{verdict.output}")
            self._good.add(tests)


def main(words: Sequence[str]) -> int:
    """Try out the mutants and print the table; gives the exit status."""
    chosen = [each for each in MUTANTS if not words or any(word in each.name for word in words)]
    survivors = 0
    width = max((len(each.name) for each in chosen), default=0)
    print(f"{'mutant':<{width}} | seconds | caught by", flush=True)
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        trial = Trial(Path(place))

        def verdict_on(number: int) -> tuple[str, str]:
            try:
                verdict = trial.try_out(number, chosen[number])
            except Misfit as reason:
                return "-", f"NOTHING IS SHOWN: {reason}"
            return f"{verdict.seconds:.1f}", verdict.caught or "NOBODY, IT SURVIVES"

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for mutant, (seconds, caught) in zip(
                chosen, pool.map(verdict_on, range(len(chosen))), strict=True
            ):
                survivors += not caught.startswith("tests/")
                print(f"{mutant.name:<{width}} | {seconds:>7} | {caught}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutants were caught")
    return 1 if survivors or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
