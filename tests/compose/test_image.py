"""The image: what is in it, what is not, and as whom it runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

import pytest
from containers import IMAGE, PYTHON, command
from pages import ROOT

import lottery

MOST_BYTES_OVER_BASE: Final = 60_000_000


def inspected(image: str) -> Any:
    """What the engine says of an image."""
    return json.loads(command("docker", "image", "inspect", image))[0]


def in_image(*words: str, options: tuple[str, ...] = ()) -> str:
    """Run a program in a container that may write nowhere and reaches nobody."""
    shut_in = ("--rm", "--read-only", "--network", "none", "--cap-drop", "ALL", *options)
    return command("docker", "run", *shut_in, IMAGE, *words)


def test_size() -> None:
    """At most 60 MB over its base."""
    more = inspected(IMAGE)["Size"] - inspected(f"python:{PYTHON}-slim")["Size"]
    print(f"{more / 1e6:.1f} MB over its base")
    assert more <= MOST_BYTES_OVER_BASE


def test_what_it_runs() -> None:
    """The central by default, as a user without rights."""
    config = inspected(IMAGE)["Config"]
    assert (config["Entrypoint"], config["Cmd"]) == (None, ["lottery", "serve"])
    assert config["User"] == "10001:10001"
    assert in_image("id", "-u") == "10001\n"
    assert in_image("lottery", "--version") == f"lottery {lottery.__version__}\n"
    assert in_image("python", "-V").startswith(f"Python {PYTHON}.")


def test_the_plugin() -> None:
    """twistd knows it, and says nothing of a cache that it cannot write."""
    words = ("twistd", "-n", "--pidfile=", "lottery", "--version")
    assert in_image(*words) == f"lottery {lottery.__version__}\n"
    said = in_image("twistd", "--help")
    assert "\n    lottery " in said
    assert "cache" not in said


def test_it_speaks_tls() -> None:
    """What the extra ``tls`` needs is there, and Twisted takes it."""
    program = "from twisted.internet import ssl; import service_identity, lottery.central.tls"
    assert in_image("python", "-c", program) == ""


def test_folders_are_its_users_alone() -> None:
    """Bets and winners are nobody else's; a volume that is made for them takes that on."""
    said = in_image("stat", "--format", "%a %u %n", "/var/lib/lottery", "/winners")
    assert said == "700 10001 /var/lib/lottery\n700 10001 /winners\n"


def test_nothing_is_left_of_the_build() -> None:
    """No source, no tool that builds, no test, nothing that its user may write but two folders."""
    installed = in_image("sh", "-c", "ls /opt/lottery/lib/python*/site-packages")
    names = {name.split("-")[0] for name in installed.split()}
    assert {"lottery", "twisted", "attrs", "yaml"} <= names
    assert not names & {"pip", "setuptools", "wheel", "build", "pytest", "tests"}
    assert in_image("sh", "-c", "command -v gcc cc make; ls -d /src 2>&1; true").splitlines() == [
        "ls: cannot access '/src': No such file or directory"
    ]
    own = in_image("sh", "-c", "find / -xdev -user lottery 2>/dev/null; true").split()
    assert sorted(own) == ["/var/lib/lottery", "/winners"]


@pytest.mark.parametrize("name", ["/etc/passwd", "/opt/lottery/x", "/x"])
def test_files_are_not_its_own(name: str) -> None:
    """Its user may not write, read-only root or not."""
    said = command("docker", "run", "--rm", IMAGE, "sh", "-c", f"touch {name} 2>&1 || true")
    assert said.endswith(f"'{name}': Permission denied\n")


def test_dependencies_are_a_layer_of_their_own(tmp_path: Path) -> None:
    """A change of the code leaves all layers but the last two as they are."""
    for name in (".dockerignore", "setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("lottery", "twisted", "compose"):
        ignored = shutil.ignore_patterns("__pycache__", "dropin.cache")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    with (tmp_path / "lottery" / "bets.py").open("a", encoding="utf-8") as file:
        file.write("\n# another version\n")
    tag = f"{IMAGE}-changed"
    words = ("build", "-q", "-f", "compose/Dockerfile", "--build-arg", f"PYTHON={PYTHON}")
    command("docker", *words, "-t", tag, ".", cwd=tmp_path)
    try:
        before, after = (inspected(name)["RootFS"]["Layers"] for name in (IMAGE, tag))
    finally:
        command("docker", "image", "rm", tag)
    assert before != after
    changed = [first != second for first, second in zip(before, after, strict=True)]
    assert changed.index(True) == len(before) - 2
