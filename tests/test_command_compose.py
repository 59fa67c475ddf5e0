"""``lottery compose``: its file, with nothing that a version of compose refuses; bad words."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import ROOT
from twisted.python.usage import UsageError

from lottery.command.compose import MOST_AGENCIES, Options, run
from lottery.errors import SettingsError
from lottery.settings import central_settings
from lottery.settings_table import AGENCY, CENTRAL

#: What docker-compose 1.29 refuses or docker compose 2 warns about.
REFUSED = {"version", "name", "start_interval", "required", "env_file", "build", "ports"}


def compose(*words: str | Path) -> tuple[int, str]:
    """Parse and run: the exit status and what was printed."""
    options = Options()  # type: ignore[no-untyped-call]
    options.parseOptions([str(word) for word in words])
    stdout = io.StringIO()
    return run(options, stdout), stdout.getvalue()


def written(path: Path, agencies: int) -> Any:
    """What is in the file for so many agencies."""
    assert compose(path, str(agencies))[0] == 0
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def keys(node: Any) -> set[str]:
    """Every key of a file, however deep."""
    if isinstance(node, dict):
        return set(node).union(*map(keys, node.values()))
    return set().union(*map(keys, node)) if isinstance(node, list) else set()


def test_the_example_is_what_the_command_writes(tmp_path: Path) -> None:
    """``docker-compose-dev.yaml`` has five agencies."""
    path = tmp_path / "five.yaml"
    assert compose(path, "5") == (0, f"{path}  A central and 5 agencies\n")
    assert path.read_bytes() == (ROOT / "docker-compose-dev.yaml").read_bytes()


@pytest.mark.parametrize("agencies", [0, 1, 2, 12, MOST_AGENCIES])
def test_services(tmp_path: Path, agencies: int) -> None:
    """A server with as many places, and an agency for each, with its own file."""
    file = written(tmp_path / "a file.yaml", agencies)
    services = file["services"]
    assert list(services) == ["server", *(f"client{n}" for n in range(1, agencies + 1))]
    places = services["server"]["environment"].get("AGENCIES_AMOUNT")
    assert places == (str(agencies) if agencies else None)
    for number in range(1, agencies + 1):
        service = services[f"client{number}"]
        assert service["environment"] == {
            "CLI_ID": str(number),
            "CLI_AGENCY_FILEPATH": f"/data/agency-{number}.csv",
            "OUTPUT_FILE": f"/winners/winners-{number}.csv",
        }
        mounts = {mount["target"]: mount for mount in service["volumes"]}
        assert mounts[f"/data/agency-{number}.csv"] == {
            "type": "bind",
            "source": f"${{INPUT_DIR:-./data}}/agency-{number}.csv",
            "target": f"/data/agency-{number}.csv",
            "read_only": True,
        }
        assert mounts["/etc/lottery/config.yaml"]["read_only"] is True
        assert mounts["/winners"] == {
            "type": "volume",
            "source": f"winners{number}",
            "target": "/winners",
        }
        assert service["depends_on"] == {"server": {"condition": "service_healthy"}}
    assert list(file["networks"]) == ["testing_net"]
    assert list(file["volumes"]) == ["ledger", *(f"winners{n}" for n in range(1, agencies + 1))]


def test_every_service_is_shut_in(tmp_path: Path) -> None:
    """No host port, no rights, nothing that can be written but the volumes; a bounded end."""
    for service in written(tmp_path / "file", 3)["services"].values():
        assert service["image"] == "lottery-central:latest"
        assert service["networks"] == ["testing_net"]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["stop_grace_period"] == "10s"


def test_only_keys_that_both_versions_take(tmp_path: Path) -> None:
    """And the only free names at the top are extensions."""
    file = written(tmp_path / "file", 2)
    assert not keys(file) & REFUSED
    assert {key for key in file if not key.startswith("x-")} == {"services", "networks", "volumes"}


def test_variables_are_settings(tmp_path: Path) -> None:
    """What is set for a container means something to the program in it."""
    services = written(tmp_path / "file", 1)["services"]
    central = {name for row in CENTRAL for name in row.environment}
    agency = {name for row in AGENCY for name in row.environment}
    assert set(services["server"]["environment"]) <= central
    assert set(services["client1"]["environment"]) <= agency


@pytest.mark.parametrize("agencies", [0, 1])
def test_the_central_is_open_on_purpose(tmp_path: Path, agencies: int) -> None:
    """It listens to its whole network, which is said in the file, with the original's settings."""
    environ = written(tmp_path / "file", agencies)["services"]["server"]["environment"]
    config = ROOT / "compose" / "config.ini"
    settings = central_settings({"config": str(config)}, environ)
    assert (settings.host, settings.port) == ("0.0.0.0", 12345)
    assert settings.insecure
    assert settings.roster is None
    del environ["LOTTERY_INSECURE"]
    assert not central_settings({"config": str(config)}, environ).insecure


def test_another_file_of_the_name_is_replaced(tmp_path: Path) -> None:
    """Nothing of it stays."""
    path = tmp_path / "file"
    written(path, 12)
    assert len(written(path, 1)["services"]) == 2


@pytest.mark.parametrize("number", ["x", "", "-1", "-12", "1.5", "+1", " 1", "1_0", "٣", "1001"])
def test_no_number_of_agencies(tmp_path: Path, number: str) -> None:
    """A sentence that names it, and no file."""
    with pytest.raises(SettingsError, match=re.escape(f"is {number!r}, it must be a whole number")):
        compose(tmp_path / "file", number)
    assert list(tmp_path.iterdir()) == []


def test_the_other_way_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number is no file because it is negative."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="option -5 not recognized"):
        compose("-5", "3")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [[], ["file"], ["file", "1", "2"]])
def test_words_that_are_missing_or_too_many(words: list[str]) -> None:
    """Both are needed, and nothing else."""
    with pytest.raises(SettingsError, match="a file and a number of agencies are needed"):
        compose(*words)


@pytest.mark.parametrize("path", ["", ".", "missing/file", "a\0b"])
def test_a_file_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A sentence that names it."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=f"cannot write to {path}, "):
        compose(path, "1")
