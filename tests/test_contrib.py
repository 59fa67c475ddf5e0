"""What stands in ``contrib/`` fits the program: the units start it, and the script can be run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from lottery.central import open_files
from lottery.settings import CentralSettings, TlsFiles
from lottery.settings_table import CENTRAL
from lottery.tap import Options

CONTRIB: Final = Path(__file__).parents[1] / "contrib"
SERVICE: Final = CONTRIB / "lottery.service"
SOCKET: Final = CONTRIB / "lottery.socket"
#: SIGTERM ends the central in so many seconds.
END_SECONDS: Final = 5

#: What the unit keeps from a central that somebody has taken over.
CONFINED: Final[Mapping[str, str]] = {
    "User": "lottery",
    "StateDirectory": "lottery",
    "StateDirectoryMode": "0700",
    "UMask": "0077",
    "LimitCORE": "0",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "PrivateNetwork": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "ProtectProc": "invisible",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "PrivateUsers": "yes",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "SystemCallArchitectures": "native",
}


def systemd_version() -> int:
    """The version of systemd-analyze, 0 if there is none."""
    if shutil.which("systemd-analyze") is None:
        return 0
    said = subprocess.run(["systemd-analyze", "--version"], capture_output=True, encoding="utf-8")
    found = re.match(r"systemd (\d+)", said.stdout)
    return int(found[1]) if found else 0


def unit(path: Path) -> dict[str, list[str]]:
    """The settings of a unit, each with all of its values."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> CentralSettings:
    """The settings of the central that the unit starts."""
    for name in {name for setting in CENTRAL for name in setting.environment}:
        monkeypatch.delenv(name, raising=False)
    program, command, *words = shlex.split(unit(SERVICE)["ExecStart"][0])
    assert (program, command) == ("/opt/lottery/bin/lottery", "serve")
    options = Options()
    options.parseOptions(words)
    return options.settings


def test_the_unit_starts_a_central_with_a_roster(started: CentralSettings) -> None:
    """Its options are options, and nobody gets in without a certificate."""
    etc = Path("/etc/lottery")
    assert started.tls == TlsFiles(etc / "central.crt", etc / "central.key", etc / "ca.crt")
    assert started.roster == etc / "roster.csv"
    assert (started.listen, started.insecure, started.allow_classic) == ((), False, False)
    assert started.data_dir == Path("/var/lib/lottery")


def test_the_socket_is_the_one_that_the_central_listens_at(started: CentralSettings) -> None:
    """Both units know it by the same name and are of the same family of addresses."""
    socket = unit(SOCKET)
    (name,) = socket["FileDescriptorName"]
    assert started.tls_listen == (f"systemd:domain=INET:name={name}",)
    (address,) = socket["ListenStream"]
    assert re.fullmatch(r"[0-9.]+:[0-9]+", address)  # a bare port would be of IPv6
    assert unit(SERVICE)["Requires"] == [SOCKET.name]


def test_the_unit_installs_what_it_reads(started: CentralSettings) -> None:
    """The commands in its comment bring all the files of its options, and no other."""
    assert started.tls is not None
    assert started.roster is not None
    read = {started.tls.cert, started.tls.key, started.tls.ca, started.roster}
    comment = re.sub(r"\\\n# +", " ", SERVICE.read_text(encoding="utf-8"))
    installed = re.search(r"-m 0400 +(.*) (/\S+)$", comment, re.MULTILINE)
    assert installed is not None
    assert {Path(installed[2]) / Path(file).name for file in installed[1].split()} == read


def test_the_unit_ends_a_central_as_it_has_to_be_ended() -> None:
    """There is time to end, children end behind it, and what cannot be mended is not repeated."""
    service = unit(SERVICE)
    assert service["KillMode"] == ["mixed"]
    assert int(service["TimeoutStopSec"][0]) > END_SECONDS
    assert service["Restart"] == ["on-failure"]
    assert service["RestartPreventExitStatus"] == ["2 3"]
    assert service["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert service["OOMPolicy"] == ["continue"]
    assert service["LimitNOFILE"] == [str(open_files._MOST_FILES)]


def test_the_unit_confines_a_central() -> None:
    """Nothing of this gets lost, and nothing forbids what TLS needs."""
    service = unit(SERVICE)
    assert {name: service.get(name) for name in CONFINED} == {
        name: [value] for name, value in CONFINED.items()
    }
    assert service["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
    assert "MemoryDenyWriteExecute" not in service


@pytest.mark.skipif(systemd_version() < 252, reason="systemd-analyze 252 or newer is not here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """It knows every line of them, and finds the service well confined."""
    for path in (SERVICE, SOCKET):
        text = path.read_text(encoding="utf-8").replace("/opt/lottery/bin/lottery", "/bin/true")
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    service, socket = tmp_path / SERVICE.name, tmp_path / SOCKET.name
    for words in (
        ["verify", "--recursive-errors=no", service, socket],
        ["security", "--offline=true", "--threshold=15", service],  # of 100, and less is better
    ):
        done = subprocess.run(
            ["systemd-analyze", *words], capture_output=True, encoding="utf-8", timeout=30
        )
        assert done.returncode == 0, (done.stdout, done.stderr)
        assert "lottery" not in done.stderr


@pytest.mark.parametrize("name", ["certificates.sh"])
def test_scripts_can_be_run(name: str) -> None:
    """The shell reads them to their end, and nothing of them goes on behind an error."""
    script = CONTRIB / name
    assert os.access(script, os.X_OK)
    assert "\nset -euo pipefail\n" in script.read_text(encoding="utf-8")
    done = subprocess.run(["bash", "-n", script], capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")
