"""``lottery agency``: its options, and the errand that it starts."""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agency_rig import NONCE, ROW, WELCOME, TcpTransport, ack, batch_frame, frame, winners
from pki import Authority
from test_agency_attempts import settings_of
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import IReactorPluggableNameResolver
from twisted.internet.testing import MemoryReactorClock, StringTransportWithDisconnection
from twisted.logger import globalLogPublisher
from twisted.python import usage
from zope.interface import implementer

from lottery.agency.names import UnjoinedResolver
from lottery.command import agency
from lottery.errors import SettingsError


@implementer(IReactorPluggableNameResolver)
class NamingReactor(MemoryReactorClock):
    """Notes who resolves names."""

    resolver: object = None
    nameResolver: object = None

    def installNameResolver(self, resolver: object) -> object:
        """Note it."""
        self.resolver = resolver
        return None


class Beginner:
    """Begins to log to observers, and ends it again."""

    def __init__(self) -> None:
        self.observers: list[Any] = []

    def beginLoggingTo(self, observers: list[Any], redirectStandardIO: bool) -> None:
        """What ``globalLogBeginner`` does, as often as there are tests."""
        assert not redirectStandardIO
        self.observers += observers
        for observer in observers:
            globalLogPublisher.addObserver(observer)


@pytest.fixture
def beginner(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Logging that ends with the test."""
    beginner = Beginner()
    monkeypatch.setattr(agency, "globalLogBeginner", beginner)
    yield beginner
    for observer in beginner.observers:
        globalLogPublisher.removeObserver(observer)


def _options(*words: str) -> agency.Options:
    options = agency.Options()
    options.parseOptions(list(words))
    return options


class TestOptions:
    """What can be said on the command line."""

    def test_all(self) -> None:
        """Each option, before and behind the file."""
        words = "--id 7 bets.csv --server central:5 --output won.csv --batch-size 10 --window 1"
        more = "--retry-for 0 --skip-bad --log-level DEBUG --config agency.yaml"
        options = _options(*words.split(), *more.split())

        assert options["file"] == "bets.csv"
        assert options["id"] == "7"
        assert options["server"] == "central:5"
        assert options["output"] == "won.csv"
        assert (options["batch-size"], options["window"]) == ("10", "1")
        assert (options["retry-for"], options["skip-bad"]) == ("0", 1)
        assert (options["log-level"], options["config"]) == ("DEBUG", "agency.yaml")

    def test_file_may_be_named_elsewhere(self) -> None:
        """No file is not an error of the command line."""
        assert _options("--id", "7")["file"] is None

    def test_one_file(self) -> None:
        """Two files are one too many."""
        with pytest.raises(SettingsError, match="only one file can be sent, not 2"):
            _options("a.csv", "b.csv")

    def test_unknown(self) -> None:
        """An option that does not exist is named."""
        with pytest.raises(usage.UsageError, match="fast"):
            _options("a.csv", "--fast")

    @pytest.mark.parametrize(
        ("words", "named"),
        [
            (["bets.csv"], "--id"),
            (["bets.csv", "--id", "x"], "--id"),
            (["bets.csv", "--id", "1", "--window", "0"], "--window"),
            (["--id", "1"], "file of bets"),
        ],
    )
    def test_settings_are_checked_before_anything_starts(
        self, words: list[str], named: str
    ) -> None:
        """A setting that is missing or bad is named."""
        with pytest.raises(SettingsError, match=named):
            agency.run(_options(*words), io.StringIO(), {})

    def test_help(self) -> None:
        """The help says what comes when, and how it may end."""
        text = str(agency.Options())

        assert "FILE --id N [options]" in text
        assert "Exit status 0" in text


class TestEndpoint:
    """How the central is reached."""

    @pytest.mark.parametrize(
        ("host", "kind"), [("127.0.0.1", TCP4ClientEndpoint), ("::1", TCP6ClientEndpoint)]
    )
    def test_addresses_are_not_resolved(self, host: str, kind: type, tmp_path: Path) -> None:
        """An address needs no name server."""
        reactor = NamingReactor()

        endpoint = agency.endpoint_of(settings_of(tmp_path, host=host), reactor)
        assert isinstance(endpoint, kind)
        assert reactor.resolver is None

    def test_names(self, tmp_path: Path) -> None:
        """A name is resolved in threads that nobody waits for."""
        reactor = NamingReactor()

        endpoint = agency.endpoint_of(settings_of(tmp_path, host="central"), reactor)
        assert isinstance(endpoint, HostnameEndpoint)
        assert isinstance(reactor.resolver, UnjoinedResolver)


# OpenSSL is handed what newer versions of pyOpenSSL would rather have in another form.
@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
class TestTls:
    """What is made ready before anything is connected."""

    def _files(self, directory: Path) -> list[str]:
        """Options with the files of agency 7."""
        authority = Authority(directory)
        cert, key = authority.agency(7)
        files = {"--tls-cert": cert, "--tls-key": key, "--tls-ca": authority.ca}
        return [str(word) for option in files.items() for word in option]

    def test_endpoint(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beginner: Any) -> None:
        """The first thing that the central hears is a handshake; and the log tells of TLS."""
        bets, stdout, reactor = tmp_path / "bets.csv", io.StringIO(), NamingReactor()
        bets.write_bytes(ROW)

        def run_until_done(start: Callable[[Any], Deferred[int]]) -> int:
            running = start(reactor)
            reactor.advance(0)  # the first batch is read before anything is connected
            *_, factory, _, _ = reactor.tcpClients[0]
            transport = TcpTransport()
            factory.buildProtocol(None).makeConnection(transport)
            assert transport.value().startswith(b"\x16\x03")
            running.addErrback(lambda failure: failure.trap(CancelledError))
            running.cancel()
            reactor.advance(2)  # for a central that does not answer
            assert transport.disconnected
            return 0

        monkeypatch.setattr(agency, "run_until_done", run_until_done)
        words = [str(bets), "--id", "7", "--server", "127.0.0.1:5", *self._files(tmp_path)]
        assert agency.run(_options(*words), stdout, {}) == 0
        assert " | tls: true | " in stdout.getvalue()

    def test_files_are_read_before_anything_starts(self, tmp_path: Path) -> None:
        """What is wrong with one is a matter of settings; nothing is logged."""
        words = self._files(tmp_path)
        (tmp_path / "agency-7.key").chmod(0o644)
        stdout = io.StringIO()
        with pytest.raises(SettingsError, match=r"agency-7\.key: others can read the key"):
            agency.run(_options("bets.csv", "--id", "7", *words), stdout, {})
        assert stdout.getvalue() == ""

    @pytest.mark.parametrize("missing", ["OpenSSL", "cryptography", "service_identity"])
    def test_missing_packages(self, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the extra, the sentence says how to get it; without TLS nobody misses it."""
        for name in list(sys.modules):
            if name in ("lottery.tls", "lottery.agency.tls") or name.startswith(f"{missing}."):
                monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, missing, None)
        words = "bets.csv --id 7 --tls-cert a --tls-key b --tls-ca c"
        options = _options(*words.split())
        with pytest.raises(SettingsError) as raised:
            agency.run(options, io.StringIO(), {})
        expected = "TLS needs more packages: pip install 'lottery-central[tls]'"
        assert str(raised.value) == expected


class TestRun:
    """The errand that is started."""

    def test_errand(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beginner: Beginner
    ) -> None:
        """Settings, file, connection, log and status find together."""
        bets, won, stdout = tmp_path / "bets.csv", tmp_path / "won.csv", io.StringIO()
        bets.write_bytes(ROW)
        reactor = NamingReactor()
        monkeypatch.setattr(agency.os, "urandom", lambda count: NONCE[:count])

        def run_until_done(start: Callable[[Any], Deferred[int]]) -> int:
            statuses: list[int] = []
            start(reactor).addCallback(statuses.append)
            reactor.advance(0)  # the first batch is read before anything is connected
            host, port, factory, timeout_seconds, _ = reactor.tcpClients[0]
            assert (host, port, timeout_seconds) == ("127.0.0.1", 5, 30)
            transport = StringTransportWithDisconnection()
            transport.protocol = factory.buildProtocol(None)
            transport.protocol.makeConnection(transport)
            transport.protocol.dataReceived(WELCOME)
            for _ in range(5):
                reactor.advance(0)
            end = frame("12", "0000000000000001", NONCE)
            assert transport.value().endswith(batch_frame(0, ROW) + end)
            transport.protocol.dataReceived(ack(1, ended=True) + winners(1, 0, ROW))
            transport.loseConnection()
            return statuses[0]

        monkeypatch.setattr(agency, "run_until_done", run_until_done)
        words = [str(bets), "--server", "127.0.0.1:5", "--output", str(won)]

        assert agency.run(_options(*words), stdout, {"AGENCY_ID": "7"}) == 0
        assert won.read_bytes() == ROW
        lines = stdout.getvalue().splitlines()
        assert [line.split(" | ")[0].split("action: ")[1] for line in lines] == [
            "config",
            "connect",
            "apuesta_enviada",
            "consulta_ganadores",
        ]
        assert all(line[20:29] == "INFO     " for line in lines)


def heard(master: int, wanted: bytes) -> bytes:
    """What came out of a terminal, at least until this was in it: the kernel takes its time."""
    said = b""
    while wanted not in said:
        assert select.select([master], [], [], 10)[0], said
        said += os.read(master, 65536)
    return said


class TestTerminal:
    """Standard output that is a terminal."""

    @pytest.fixture
    def terminal(self) -> Iterator[tuple[int, Any]]:
        """What a person sees of it, and standard output."""
        master, slave = os.openpty()
        with os.fdopen(slave, "w", encoding="utf-8") as stdout:
            yield master, stdout
        os.close(master)

    def _run(self, directory: Path, stdout: Any, environ: dict[str, str], *more: str) -> int:
        bets = directory / "none.csv"
        words = [str(bets), "--id", "7", "--server", "127.0.0.1:5", *more]
        return agency.run(_options(*words, "--output", str(directory / "won.csv")), stdout, environ)

    def _at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let an errand be over as soon as it begins: there is no file."""

        def run_until_done(start: Callable[[Any], Deferred[int]]) -> int:
            statuses: list[int] = []
            start(NamingReactor()).addCallback(statuses.append)
            return statuses[0]

        monkeypatch.setattr(agency, "run_until_done", run_until_done)

    def test_shown(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        beginner: Beginner,
        terminal: tuple[int, Any],
    ) -> None:
        """The error above, what came of it below, and no other line of the log."""
        self._at_once(monkeypatch)
        master, stdout = terminal
        assert self._run(tmp_path, stdout, {"TERM": "xterm"}) == 1
        said = heard(master, b"agency 7: failed | ")
        while not said.endswith(b"\r\n"):
            said += heard(master, b"\n")
        assert said.index(b" ERROR    action: read_input") < said.index(b"agency 7: failed | ")
        assert b"action: config" not in said

    @pytest.mark.parametrize(
        ("environ", "more"),
        [
            ({"TERM": "dumb"}, []),
            ({}, []),
            ({"TERM": "xterm"}, ["--log-level", "DEBUG"]),
            ({"TERM": "xterm"}, ["--log-format", "json"]),
        ],
    )
    def test_plain(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        beginner: Beginner,
        terminal: tuple[int, Any],
        environ: dict[str, str],
        more: list[str],
    ) -> None:
        """Lines for who cannot show more, or wants them."""
        self._at_once(monkeypatch)
        master, stdout = terminal
        assert self._run(tmp_path, stdout, environ, *more) == 1
        said = heard(master, b"config")
        assert b"\x1b" not in said
        assert b"agency 7:" not in said

    def test_json(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        beginner: Beginner,
        terminal: tuple[int, Any],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """The object alone, and the log on stderr."""
        self._at_once(monkeypatch)
        master, stdout = terminal
        assert self._run(tmp_path, stdout, {"TERM": "xterm"}, "--json") == 1
        stdout.flush()
        said = heard(master, b"\n")
        assert said.startswith(b'{"agency": 7, ')
        assert said.count(b"\n") == 1
        assert "action: config" in capsys.readouterr().err

    def test_crash(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        beginner: Beginner,
        terminal: tuple[int, Any],
    ) -> None:
        """A reactor that breaks down leaves a whole picture, and what it raised is passed on."""
        reactor = NamingReactor()
        begun: list[Deferred[int]] = []

        def run_until_done(start: Callable[[Any], Deferred[int]]) -> int:
            begun.append(start(reactor))
            raise MemoryError("no more")

        monkeypatch.setattr(agency, "run_until_done", run_until_done)
        (tmp_path / "none.csv").write_bytes(ROW)
        master, stdout = terminal
        with pytest.raises(MemoryError, match="no more"):
            self._run(tmp_path, stdout, {"TERM": "xterm"})
        said = heard(master, b"agency 7: stopped | ")
        while not said.endswith(b"\r\n"):
            said += heard(master, b"\n")
        (running,) = begun
        running.cancel()
        assert reactor.getDelayedCalls() == []
