"""Programs that are given what they cannot use: a status, one sentence, never a traceback.

What a file, an option or a directory makes impossible is known before anything is done.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from classic_agency import ClassicAgency, batches_of
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from live import (
    LiveAgency,
    LiveCentral,
    environment,
    made_up,
    resident_bytes,
    run_lottery,
    winning,
)
from pki import Authority, fingerprint, write_roster

NOWHERE: Final = "tcp:0:interface=127.0.0.1"


def one_sentence(done: subprocess.CompletedProcess[str], status: int, *holds: str) -> None:
    """The program ended with this status, nothing on stdout and one line on stderr."""
    assert done.returncode == status, done
    assert done.stdout == ""
    assert re.fullmatch(r"lottery: \S[^\n]*\n", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    for each in holds:
        assert each in done.stderr


CONFIG_FILES: Final[dict[str, tuple[bytes, str]]] = {
    "binary": (bytes(range(256)), "settings.ini"),
    "latin-1": (b"[DEFAULT]\nSERVER_HOST = espa\xf1a\n", "line 2"),
    "no-section": (b"SERVER_PORT = 12345\n", "line 1"),
    "duplicate-key": (b"[DEFAULT]\nSERVER_PORT = 1\nserver_port = 2\n", "line 3"),
    "other-section": (b"[DEFAULT]\n[SERVER]\nSERVER_PORT = 1\n", "SERVER"),
    "unknown-key": (b"[DEFAULT]\nSERVER_PROT = 12345\n", "line 2, key SERVER_PROT"),
    "percent": (b"[DEFAULT]\nSERVER_PORT = 50%\n", "50%"),
    "port-0": (b"[DEFAULT]\nSERVER_PORT = 0\n", "1 to 65535"),
    "port-negative": (b"[DEFAULT]\nSERVER_PORT = -1\n", "1 to 65535"),
    "port-70000": (b"[DEFAULT]\nSERVER_PORT = 70000\n", "1 to 65535"),
    "port-abc": (b"[DEFAULT]\nSERVER_PORT = abc\n", "1 to 65535"),
}


@pytest.mark.parametrize("name", CONFIG_FILES)
def test_b55_b56_files_of_settings(tmp_path: Path, name: str) -> None:
    """Status 2, and one sentence with file, line and what is allowed; no directory is made."""
    content, says = CONFIG_FILES[name]
    (tmp_path / "settings.ini").write_bytes(content)
    done = run_lottery("serve", "--config", "settings.ini", cwd=tmp_path)
    one_sentence(done, 2, "settings.ini", says)
    assert os.listdir(tmp_path) == ["settings.ini"]


@pytest.mark.parametrize("name", ["missing.ini", "."])
def test_b55_no_file_of_settings(tmp_path: Path, name: str) -> None:
    """A file that is missing, and one that is a directory."""
    one_sentence(run_lottery("serve", "--config", name, cwd=tmp_path), 2, name, "read")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "content", [b"", b"\xef\xbb\xbf[DEFAULT]\r\nAGENCIES_AMOUNT = 7\r\n"], ids=["empty", "mark"]
)
def test_b55_files_that_are_fine(tmp_path: Path, content: bytes) -> None:
    """An empty file sets nothing, for everything has a default; a byte-order mark is no fault."""
    (tmp_path / "settings.ini").write_bytes(content)
    with LiveCentral(tmp_path, "--config", "settings.ini") as central:
        central.wait_for(rf"draw_open .* agencies: {7 if content else 5}$")


OPTIONS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "agencies-0": (("serve", "--agencies", "0"), "from 1"),
    "deadline-text": (("serve", "--deadline", "soon"), "seconds"),
    "endpoint": (("serve", "--listen", "carrier:pigeon"), "carrier"),
    "unknown-option": (("serve", "--agences", "5"), "agences"),
    "agency-without-id": (("agency", "x.csv"), "--id"),
    "agency-server": (("agency", "x.csv", "--id", "1", "--server", "here"), "HOST:PORT"),
    "roster-without-tls": (("serve", "--roster", "r.csv"), "a roster needs --tls-cert"),
    "tls-without-roster": (
        ("serve", "--tls-cert", "c", "--tls-key", "k", "--tls-ca", "a"),
        "TLS needs --roster",
    ),
    "tls-without-key": (
        ("serve", "--tls-cert", "c", "--tls-ca", "a", "--roster", "r.csv"),
        "--tls-key is missing",
    ),
    "tls-listen-alone": (("serve", "--tls-listen", NOWHERE), "--tls-listen needs --tls-cert"),
    "classic-without-roster": (("serve", "--allow-classic"), "without --roster"),
    "no-command": ((), "command"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_b56_options(tmp_path: Path, name: str) -> None:
    """Status 2, and a sentence that names the option and what is allowed."""
    words, says = OPTIONS[name]
    done = run_lottery(*words, cwd=tmp_path)
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    assert says in done.stderr.splitlines()[-1] or name == "no-command"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["under-a-file", "in-proc", "a-file"])
def test_b57_a_directory_that_cannot_be_written(tmp_path: Path, kind: str) -> None:
    """Status 2 before anything listens, and the sentence names the directory."""
    (tmp_path / "file").write_bytes(b"kept")
    path = {
        "under-a-file": tmp_path / "file" / "data",
        "in-proc": Path("/proc/lottery"),
        "a-file": tmp_path / "file",
    }[kind]
    done = run_lottery("serve", "--listen", NOWHERE, "--data-dir", path, cwd=tmp_path)
    one_sentence(done, 2, str(path))
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_b57_a_port_in_use(tmp_path: Path) -> None:
    """Status 2; the one who has the port is not disturbed, and no draw is begun."""
    with socket.create_server(("127.0.0.1", 0)) as owner:
        port = owner.getsockname()[1]
        where = f"tcp:{port}:interface=127.0.0.1"
        done = run_lottery("serve", "--listen", where, "--data-dir", "data", cwd=tmp_path)
        one_sentence(done, 2, str(port))
        assert list((tmp_path / "data").glob("draws/*")) == []
    with LiveCentral(tmp_path, data_dir=tmp_path / "data"):
        pass


def test_b57_one_of_two_ports_in_use(tmp_path: Path) -> None:
    """Who cannot listen everywhere listens nowhere."""
    with socket.create_server(("127.0.0.1", 0)) as owner:
        where = f"tcp:{owner.getsockname()[1]}:interface=127.0.0.1"
        done = run_lottery("serve", "--listen", NOWHERE, "--listen", where, cwd=tmp_path)
        assert done.returncode == 2
        assert "Traceback" not in done.stdout + done.stderr


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that a central needs for TLS."""
    directory = tmp_path_factory.mktemp("pki")
    authority = Authority(directory)
    authority.central()
    cert, _ = authority.agency(1)
    authority.agency(2)
    write_roster(directory / "roster.csv", {1: fingerprint(cert)})
    _secret(directory / "text.pem", b"no PEM at all\n")
    (directory / "empty.pem").write_bytes(b"")
    key = (directory / "central.key").read_bytes()
    _secret(directory / "others.key", key).chmod(0o644)
    _secret(directory / "group.key", key).chmod(0o640)
    read = load_pem_private_key(key, None)
    locked = read.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    _secret(directory / "locked.key", locked)
    return directory


def _secret(path: Path, data: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path


def _serve_tls(
    pki: Path, directory: Path, *more: str, **others: str
) -> subprocess.CompletedProcess[str]:
    """Start a central whose files are in order, but for those; with more options."""
    files = {
        "tls-cert": "central.crt", "tls-key": "central.key", "tls-ca": "ca.crt",
        "roster": "roster.csv", **{name.replace("_", "-"): file for name, file in others.items()},
    }  # fmt: skip
    words: list[object] = [
        word for name, file in files.items() for word in (f"--{name}", pki / file)
    ]
    return run_lottery(
        "serve", *words, "--tls-listen", NOWHERE, "--data-dir", "data", *more, cwd=directory
    )


TLS_FILES: Final[dict[str, tuple[dict[str, str], str]]] = {
    "key-others-can-read": ({"tls_key": "others.key"}, "others.key"),
    "key-the-group-can-read": ({"tls_key": "group.key"}, "chmod 600"),
    "key-locked": ({"tls_key": "locked.key"}, "encrypted"),
    "key-of-another": ({"tls_key": "agency-2.key"}, "not the key"),
    "key-missing": ({"tls_key": "nothing.key"}, "nothing.key"),
    "key-no-pem": ({"tls_key": "text.pem"}, "no private key"),
    "key-a-directory": ({"tls_key": "."}, "Is a directory"),
    "certificate-missing": ({"tls_cert": "nothing.crt"}, "nothing.crt"),
    "certificate-no-pem": ({"tls_cert": "text.pem"}, "no certificate"),
    "authority-missing": ({"tls_ca": "nothing.crt"}, "nothing.crt"),
    "authority-empty": ({"tls_ca": "empty.pem"}, "no certificate"),
    "authority-that-is-none": ({"tls_ca": "agency-2.crt"}, "not one of an authority"),
    "roster-missing": ({"roster": "nothing.csv"}, "nothing.csv"),
    "roster-empty": ({"roster": "empty.pem"}, "no agency"),
    "roster-that-is-none": ({"roster": "ca.crt"}, "line 1"),
}


@pytest.mark.parametrize("name", TLS_FILES)
def test_b57_files_of_tls(pki: Path, tmp_path: Path, name: str) -> None:
    """Status 2 before anything listens, and nobody is asked for a password; nothing is drawn."""
    others, says = TLS_FILES[name]
    one_sentence(_serve_tls(pki, tmp_path, **others), 2, says)
    assert list(tmp_path.glob("data/draws/*")) == []


def test_b56_no_place_for_the_classic(pki: Path, tmp_path: Path) -> None:
    """Who lets classic agencies in beside a roster of one needs places for two."""
    done = _serve_tls(pki, tmp_path, "--allow-classic", "--agencies", "1")
    assert done.returncode == 2, done
    assert done.stderr == "lottery: --allow-classic needs --agencies above the 1 of the roster\n"
    assert list(tmp_path.glob("data/draws/*")) == []


MARK: Final = "sha256:" + "ab" * 32
ROSTERS: Final[dict[str, tuple[bytes, str]]] = {
    "B47-minus": (f"-1,A,{MARK}".encode(), "line 1: the id must be"),
    "B47-letter": (f"256x,A,{MARK}".encode(), "line 1: the id must be"),
    "B47-too-high": (f"4294967296,A,{MARK}".encode(), "line 1: the id must be"),
    "B47-full-width": (f"\uff11,A,{MARK}".encode(), "line 1: the id must be"),
    "B47-empty": (f",A,{MARK}".encode(), "line 1: the id must be"),
    "B48-path": (f"../../etc/passwd,A,{MARK}".encode(), "line 1: the id must be"),
    "B48-root": (f"/etc/passwd,A,{MARK}".encode(), "line 1: the id must be"),
    "B48-nul": (f"1\0x,A,{MARK}".encode(), "line 1: the id must be"),
    "B48-device": (f"CON,A,{MARK}".encode(), "line 1: the id must be"),
    "B48-long": (b"1" * 4096 + f",A,{MARK}".encode(), "line 1: the id must be"),
    "id-twice": (f"1,A,{MARK}\n1,B,dns:b".encode(), "line 2: agency 1 stands there again"),
    "mark-twice": (f"1,A,{MARK}\n2,B,{MARK.upper()}".encode(), "line 2: the certificate"),
    "two-fields": (b"1,A", "line 1: 2 fields"),
    "no-mark": (b"1,A,sha256:12", "line 1: the certificate must be"),
    "not-utf-8": (b"1,\xff,dns:a", "line 1: not UTF-8"),
    "control": (b"1,A\x1b[2J,dns:a", "line 1: the name must be"),
}


@pytest.mark.parametrize("name", ROSTERS)
def test_b47_b48_rosters(pki: Path, tmp_path: Path, name: str) -> None:
    """The sentence names file and line; no file is made of an id."""
    data, says = ROSTERS[name]
    (tmp_path / "agencies.csv").write_bytes(data)
    done = _serve_tls(pki, tmp_path, roster=str(tmp_path / "agencies.csv"))
    one_sentence(done, 2, "agencies.csv", says)
    assert list(tmp_path.glob("data/draws/*")) == []


@pytest.mark.parametrize("interface", ["0.0.0.0", "\\:\\:"])
def test_open_only_on_purpose(tmp_path: Path, interface: str) -> None:
    """Beyond the loopback a central without a roster does not start, unless it is told to."""
    where = f"tcp:0:interface={interface}"
    done = run_lottery("serve", "--listen", where, "--data-dir", "data", cwd=tmp_path)
    one_sentence(done, 2, "--roster", "--insecure", interface.replace("\\", ""))
    assert list(tmp_path.glob("data/draws/*")) == []
    with LiveCentral(tmp_path, "--listen", where, "--insecure", plain=False) as central:
        central.wait_for("action: draw_open")


@pytest.mark.slow
def test_a_directory_in_use(tmp_path: Path) -> None:
    """A second central is refused, and told by whom; the first one goes on."""
    with LiveCentral(tmp_path, "--agencies", 1) as central:
        done = run_lottery("serve", "--listen", NOWHERE, "--data-dir", central.data_dir)
        one_sentence(done, 2, str(central.data_dir), str(central.pid))
        with ClassicAgency(central.port) as agency:
            assert agency.whole_day(batches_of(made_up(1), 1), None) == []


def test_a_port_just_left(tmp_path: Path) -> None:
    """A central can be started again at once at the port that the last one had."""
    with LiveCentral(tmp_path, "--agencies", 1, "--draws", 1) as central:
        port = central.port
        with ClassicAgency(port) as agency:
            agency.batch(made_up(1))
            agency.acknowledged()
            agency.end()
            agency.winners()  # the central has closed first: its end stays in TIME_WAIT
            assert agency.rest() == b""
        assert central.wait() == 0
    where = f"tcp:{port}:interface=127.0.0.1"
    with LiveCentral(tmp_path, "--listen", where) as again:
        again.wait_for(rf"accept_connections \| result: in_progress .* port: {port}$")


INPUTS: Final[dict[str, tuple[Callable[[Path], object], str]]] = {
    "missing": (lambda path: None, "no such file"),
    "directory": (lambda path: path.mkdir(), "directory"),
    "under-a-file": (lambda path: path.parent.write_bytes(b""), "directory"),
    "utf-16": (lambda path: path.write_text("\n".join(made_up(3)), "utf-16"), "UTF-8"),
    "no-mark-utf-16": (lambda path: path.write_text("\n".join(made_up(3)), "utf-16-le"), "UTF-16"),
    "latin-1": (lambda path: path.write_bytes(b"\xc1lvaro,Paz,1,1990-05-17,1\n"), "UTF-8"),
    "header-line": (
        lambda path: path.write_text("first_name,last_name,document,birthdate,number\n"),
        "line: 1",
    ),
    "semicolons": (lambda path: path.write_text(made_up(1)[0].replace(",", ";")), "5 columns"),
    "one-long-line": (lambda path: path.write_bytes(b"A" * 100_000), "8192"),
    "no-text": (lambda path: path.write_bytes(os.urandom(100_000)), "file:"),
}


@pytest.fixture(scope="module")
def central(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCentral]:
    """A central with places for everybody."""
    directory = tmp_path_factory.mktemp("central")
    with LiveCentral(directory, "--agencies", 100, level="INFO") as central:
        yield central
        segments = central.data_dir.rglob("segment-*.log")
        assert b"".join(path.read_bytes() for path in segments) == b""


@pytest.mark.parametrize("name", INPUTS)
def test_b58_files_of_bets_that_are_none(tmp_path: Path, central: LiveCentral, name: str) -> None:
    """Status 1 and a line that names the file; nothing is stored, and no result is written."""
    make, says = INPUTS[name]
    path = tmp_path / ("f/bets.csv" if name == "under-a-file" else "bets.csv")
    make(path)
    number = list(INPUTS).index(name)
    with LiveAgency(tmp_path, central.port, number, path) as agency:
        assert agency.wait() == 1
        (line,) = agency.matches(r"action: read_input \| result: fail")
        assert str(path) in line.string
        assert says.lower() in line.string.lower()
        assert not agency.output.exists()


def test_b58_an_endless_pipe(tmp_path: Path) -> None:
    """Bets without an end are streamed: the memory of the agency and of the central stays flat.

    What is written to the pipe and taken is the clock: the pipe holds little, so the memory is
    looked at when the first megabytes are through, and again behind many times as much.
    """
    part = "".join(f"{row}\n" for row in made_up(5000)).encode()
    with LiveCentral(tmp_path, "--agencies", 1, level="INFO") as central:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        with LiveAgency(tmp_path, central.port, 1, fifo) as agency, fifo.open("wb") as pipe:
            for _ in range(15):
                pipe.write(part)
            before = resident_bytes(agency.pid), resident_bytes(central.pid)
            for _ in range(75):
                pipe.write(part)
            after = resident_bytes(agency.pid), resident_bytes(central.pid)
            assert max(after[0] - before[0], after[1] - before[1]) < 8 << 20, (before, after)
            pipe.write(f"{made_up(1, number=7574)[0]}\n".encode())
            pipe.close()
            assert agency.wait() == 0, agency.log
            assert agency.winners() == winning(made_up(1, number=7574))
        assert central.bets_csv(1).count(b"\n") == 90 * 5000 + 1


def test_a_closed_stdout_and_stderr(tmp_path: Path) -> None:
    """A program whose output nobody takes works all the same."""
    (tmp_path / "bets.csv").write_text("\n".join(made_up(3, number=7574)))
    with LiveCentral(tmp_path, "--agencies", 1) as central:
        command = f'exec "{sys.executable}" -m lottery agency bets.csv --id 1 '
        command += f"--server 127.0.0.1:{central.port} >&- 2>&-"
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment(), timeout=30)
        assert done.returncode == 0
        assert (tmp_path / "winners-1.csv").read_text().splitlines() == made_up(3, number=7574)
