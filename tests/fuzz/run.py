"""Fuzz one target with atheris, from its corpus.

    python tests/fuzz/run.py NAME [--seconds N] [--corpus DIR]

An input that raises, takes more than half a second of the processor (the instruments make
everything several times slower), or makes the process larger than 128 MiB is a finding: it is
saved below ``tests/fuzz/findings``, and the exit status is not 0.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).parent
#: The longest input of each target in bytes: more than the longest frame; of files of settings,
#: which are read several times over, what can be read in time.
TARGETS = {"decoder": 8300, "batch": 8300, "salvage": 8300, "settings": 2000, "roster": 8300}
LONGEST_SECONDS = 0.5
MOST_MIB = 128


def main() -> None:
    """Run until the time is up, or something is found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--corpus", type=Path, help="where new inputs go, besides")
    words = parser.parse_args()
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not installed; it has no wheel for every version of Python")
    sys.path[:0] = [str(FOLDER.parent.parent), str(FOLDER.parent)]
    with atheris.instrument_imports(include=["lottery", "fuzz"]):
        target = importlib.import_module(f"fuzz.{words.target}")

    def in_time(data: bytes) -> None:
        begun = time.thread_time()
        target.fuzz(data)
        taken = time.thread_time() - begun
        assert taken < LONGEST_SECONDS, f"it took {taken:.3f} s"

    findings = FOLDER / "findings"
    findings.mkdir(exist_ok=True)
    # New inputs go to the first folder, and the corpus is read only: what is worth keeping there
    # is chosen by hand.
    scratch = words.corpus or Path(tempfile.mkdtemp(prefix=f"fuzz-{words.target}-"))
    scratch.mkdir(parents=True, exist_ok=True)
    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={words.seconds}",
            f"-max_len={TARGETS[words.target]}",
            "-timeout=60",  # of the clock on the wall, which also runs for others
            f"-rss_limit_mb={MOST_MIB}",
            "-print_final_stats=1",
            f"-artifact_prefix={findings}/{words.target}-",
            str(scratch),
            str(FOLDER / "corpus" / words.target),
        ],
        in_time,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
