"""The image is built once, and every test has a folder that containers may read."""

from __future__ import annotations

from pathlib import Path

import pytest
from containers import PYTHON, command, sample


@pytest.fixture(scope="session", autouse=True)
def image() -> None:
    """The image, of the code as it is."""
    command("make", "docker-image", f"PYTHON={PYTHON}")


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up day of five agencies."""
    directory = tmp_path_factory.mktemp("days") / "five"
    sample(directory, 5, 20_000)
    return directory


@pytest.fixture(scope="session")
def day_of_twelve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up day of twelve agencies."""
    directory = tmp_path_factory.mktemp("days") / "twelve"
    sample(directory, 12, 12_000)
    return directory
