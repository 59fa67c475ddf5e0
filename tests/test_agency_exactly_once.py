"""Whatever befalls its sessions, an agency brings its file over exactly once, in order."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from agency_rig import (
    STOPPING,
    STORAGE,
    Connection,
    Errand,
    ack,
    error,
    refused,
    welcome,
    winners,
)
from hypothesis import event, given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost, TCPTimedOutError

from lottery.agency.run import DONE

HELLO, BATCH, END, RECEIVED = 0x10, 0x11, 0x12, 0x13
#: Some of them are equal: only their order tells whether one was lost or stored twice.
ROWS = [f"Ana,Gil,{document // 2},2000-01-01,7\n".encode() for document in range(24)]


class ModelCentral:
    """A central that stores whole batches, and resumes.

    :ivar stored: the rows, batch by batch.
    :ivar acknowledged: so many of them the agency has been told of.
    """

    def __init__(self) -> None:
        self.stored = b""
        self.ended = False
        self.received = False
        self.acknowledged = 0
        self.connection: Connection | None = None
        self.unread: list[bytes] = []
        self.unsaid: list[bytes] = []
        self.refusing = False

    @property
    def count(self) -> int:
        """How many rows are stored."""
        return self.stored.count(b"\n")

    def take(self, connection: Connection) -> None:
        """Begin a session."""
        self.lose()
        self.connection = connection

    def lose(self) -> None:
        """Forget a session, and what is under way in either direction."""
        self.connection = None
        self.unread, self.unsaid, self.refusing = [], [], False

    def read(self, *, store: bool = True) -> None:
        """Read the next frame; without ``store`` there is no room for what it brings."""
        frame = self.unread.pop(0)
        kind = frame[0]
        index = int.from_bytes(frame[3:11], "big")
        if kind == HELLO:
            assert int.from_bytes(frame[12:20], "big") <= self.count
            self.acknowledged = self.count
            self.unsaid.append(welcome(self.stored, ended=self.ended))
            if self.ended:
                self._tell()
            return
        if kind == RECEIVED:
            self.received = True
            return
        assert not self.ended, "what is stored is sent again"
        if self.refusing and index != self.count:
            return
        assert index == self.count
        self.refusing = not store
        if not store:
            self.unsaid.append(refused(STORAGE, self.count))
        elif kind == BATCH:
            assert frame[13:].count(b"\n") == int.from_bytes(frame[11:13], "big") > 0
            self.stored += frame[13:]
            self.unsaid.append(ack(self.count))
        else:
            assert kind == END
            self.ended = True
            self.unsaid.append(ack(self.count, ended=True))
            self._tell()

    def say(self) -> None:
        """Say the next thing."""
        assert self.connection is not None
        self.connection.say(self.unsaid.pop(0))

    def cut(self, *last_words: bytes) -> None:
        """End the session."""
        assert self.connection is not None
        connection = self.connection
        self.lose()
        if last_words:
            connection.say(*last_words)
        if connection.transport.connected:
            connection.cut(ConnectionLost())

    def _tell(self) -> None:
        won = self.stored.splitlines(keepends=True)[:2]
        frames = [winners(len(won), place, row) for place, row in enumerate(won)]
        self.unsaid += frames or [winners(0, 0, b"")]


class World:
    """A file, its central, and an agency that is started again when it was killed."""

    def __init__(self, directory: Path, data: st.DataObject) -> None:
        self.directory = directory
        self.data = data
        self.central = ModelCentral()
        self.bets = b"".join(ROWS[: data.draw(st.integers(0, len(ROWS)), "rows")])
        (directory / "bets.csv").write_bytes(self.bets)
        self.sizes = st.sampled_from([1, 2, 3, 7, 100])
        self.start()

    def start(self) -> None:
        """Start an agency, with any batch size and window."""
        terms = {"batch_size": self.data.draw(self.sizes), "window": self.data.draw(self.sizes)}
        self.errand = Errand(self.directory, None, retry_for=0.0, **terms)

    @property
    def done(self) -> bool:
        """Whether the agency has its winners."""
        return self.errand.settings.output.exists()

    def go_on(self) -> None:
        """Do whatever comes next of what has to be done."""
        central, errand = self.central, self.errand
        if errand.endpoint.attempts:
            central.take(errand.endpoint.accept())
        elif central.unread:
            central.read()
        elif central.unsaid:
            central.say()
        elif central.connection is None or central.refusing:
            errand.until_next_attempt()
        errand.read()

    def trouble(self) -> None:
        """Do anything, mostly what does no good."""
        central, errand = self.central, self.errand
        can = ["kill"]
        if errand.endpoint.attempts:
            can += ["accept"] * 6 + ["refuse"]
        if central.connection is not None:
            can += ["cut", "stop"]
            can += ["read"] * 8 if central.unread else []
            can += ["say"] * 6 if central.unsaid else []
            if central.unread and central.unread[0][0] in (BATCH, END):
                can += ["no room"] * 3
        if errand.reactor.getDelayedCalls():
            can += ["time"] * 4
        action = self.data.draw(st.sampled_from(can))
        event(action)
        match action:
            case "kill":
                errand.stop()
                central.lose()
                if not self.done:
                    self.start()
            case "accept":
                central.take(errand.endpoint.accept())
            case "refuse":
                errand.endpoint.refuse(TCPTimedOutError())
            case "cut":
                central.cut()
            case "stop":
                central.cut(error(STOPPING))
            case "read":
                central.read()
            case "no room":
                central.read(store=False)
            case "say":
                central.say()
            case "time":
                errand.reactor.advance(0.2)
        self.errand.read()

    def listen(self) -> None:
        """Let the central get what the agency has said."""
        if self.central.connection is not None:
            self.central.unread += self.central.connection.frames()

    def close(self) -> None:
        """Leave nothing behind, also if it did not come to an end."""
        self.errand.running.cancel()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_exactly_once(data: st.DataObject) -> None:
    """Cut, refused, put off, killed and started again with other sizes, after any frame."""
    with TemporaryDirectory() as directory, closing(World(Path(directory), data)) as world:
        for _ in range(data.draw(st.integers(0, 40), "troubles")):
            world.listen()
            if world.done:
                break
            world.trouble()
        steps = 0
        while not world.done:
            steps += 1
            assert steps < 1000, world.errand.log.lines
            world.listen()
            world.go_on()
        if not world.errand.statuses:
            world.central.cut()

        assert world.errand.status() == DONE
        assert world.central.ended
        assert world.central.stored == world.bets
        assert world.errand.output == b"".join(ROWS[:2])[: len(world.bets)]
        assert not [line for line in world.errand.log.lines if "result: fail" in line]
