"""docs/protocol.md says what the code does: its tables, its numbers and its bytes."""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path
from typing import get_args

import pytest
from attrs import asdict, frozen

from lottery.agency import client
from lottery.errors import Code
from lottery.wire import classic, lottery1
from lottery.wire.decoder import HEADER_BYTES, PAYLOAD_LIMIT, Decoder, Vocabulary
from lottery.wire.messages import DrawState, Message
from lottery.wire.states import TRANSITIONS, Conversation, State

PAGE = (Path(__file__).parent.parent / "docs" / "protocol.md").read_text(encoding="utf-8")

VOCABULARIES: dict[tuple[str, str], Vocabulary] = {
    ("classic", "agency"): classic.TO_CENTRAL,
    ("classic", "central"): classic.TO_AGENCY,
    ("lottery/1", "agency"): lottery1.TO_CENTRAL,
    ("lottery/1", "central"): lottery1.TO_AGENCY,
}
SAID_BY_AGENCIES = {"ClassicBatch", "ClassicEnd", "Hello", "Batch", "End", "Received"}
SIZES = {"u8": 1, "flag": 1, "u16": 2, "u32": 4, "u64": 8}
FRAMES = {
    "HELLO": (lottery1.HELLO, "Agency"),
    "BATCH": (lottery1.BATCH, "Agency"),
    "END": (lottery1.END, "Agency"),
    "RECEIVED": (lottery1.RECEIVED, "Agency"),
    "WELCOME": (lottery1.WELCOME, "Central"),
    "ACK": (lottery1.ACK, "Central"),
    "REFUSED": (lottery1.REFUSED, "Central"),
    "WINNERS": (lottery1.WINNERS, "Central"),
    "ERROR": (lottery1.ERROR, "Central"),
}


def section(title: str) -> str:
    """Give the text under a heading, down to the next one of its level or above."""
    level = title.split(" ", 1)[0]
    _, found, rest = f"\n{PAGE}".partition(f"\n{title}\n")
    assert found, f"the page has no heading {title!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def tables(text: str) -> list[list[list[str]]]:
    """Give the rows of each table, its heading first, as cells."""
    found: list[list[list[str]]] = []
    before = ""
    for line in text.splitlines():
        if line.startswith("|"):
            if not before.startswith("|"):
                found.append([])
            if not line.startswith("|---"):
                found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        before = line
    return found


@frozen
class Said:
    """One frame of a worked exchange."""

    who: str
    data: bytes
    means: str


def exchanges() -> list[tuple[str, list[Said]]]:
    """Give the worked exchanges of the page: dialect, and what is said in order."""
    found = []
    for dialect, text in re.findall(r"^```hex (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        said = []
        for paragraph in text.strip("\n").split("\n\n"):
            who, *lines = paragraph.split("\n")
            means = lines.pop().strip()
            assert means.startswith("= ")
            data = bytes.fromhex("".join(line.partition(";")[0] for line in lines))
            said.append(Said(who, data, means.removeprefix("= ")))
        found.append((dialect, said))
    return found


def described(message: Message) -> str:
    """Write a message as the page does."""

    def value(name: str, what: object) -> str:
        if isinstance(what, IntEnum):
            return what.name
        if isinstance(what, bytes):
            return what.hex() if name == "nonce" else what.decode().replace("\n", "\\n")
        return str(int(what)) if isinstance(what, int) else str(what)

    contents = asdict(message, recurse=False).items()
    return " ".join(
        [type(message).__name__, *(f"{name}={value(name, what)}" for name, what in contents)]
    )


def test_states() -> None:
    """The page names every state with its meaning."""
    heading, *rows = tables(section("## States"))[0]

    assert heading == ["state", "meaning"]
    assert rows == [[state.name, state.value] for state in State]


def test_transitions() -> None:
    """The page's table of what may be said when is the code's."""
    heading, *rows = tables(section("## States"))[1]

    assert heading == ["state", "who", "message", "leads to"]
    assert rows == [
        [
            here.name,
            "agency" if kind.__name__ in SAID_BY_AGENCIES else "central",
            kind.__name__,
            there.name,
        ]
        for here, moves in TRANSITIONS.items()
        for kind, there in moves.items()
    ]


def test_drawing() -> None:
    """The drawing has the same arrows."""
    drawn = re.findall(r"^    (\w+) --> (\w+): (\w+)$", section("## States"), re.MULTILINE)

    assert drawn == [
        (here.name, there.name, kind.__name__)
        for here, moves in TRANSITIONS.items()
        for kind, there in moves.items()
    ]


def test_codes() -> None:
    """The page has every code with its number, and says whether to try again."""
    heading, *rows = tables(section("## Codes"))[0]

    assert heading == ["number", "name", "meaning", "final or again", "what the agency should do"]
    assert [(int(row[0]), row[1]) for row in rows] == [(code.value, code.name) for code in Code]
    assert {row[3] for row in rows} == {"final", "again"}
    assert all(row[2] and row[4] for row in rows)


def test_after_which_codes_an_agency_comes_back() -> None:
    """Those that the page calls "again"; behind "Coming back" it names the same."""
    again = {row[1] for row in tables(section("## Codes"))[0] if row[3] == "again"}
    (named,) = re.findall(
        r"an ERROR with (.*?), it\sconnects", section("## Coming back"), re.DOTALL
    )

    assert again == {code.name for code in client._COME_BACK}
    assert again == set(re.findall(r"[A-Z]+", named))


def test_draw_states() -> None:
    """The page has every state of a draw with its number."""
    _, (heading, *rows) = tables(section("### WELCOME 0x20"))

    assert heading == ["state", "name", "meaning"]
    assert [(int(row[0]), row[1]) for row in rows] == [
        (each.value, each.name) for each in DrawState
    ]


@pytest.mark.parametrize("name", FRAMES)
def test_frame(name: str) -> None:
    """A frame's table has no gap, its type, its direction, and the bounds of its length."""
    kind, sender = FRAMES[name]
    text = section(f"### {name} 0x{kind:02x}")
    heading, *rows = tables(text)[0]
    offset = 0
    for place, size, type_, *_ in rows:
        assert int(place) == offset
        if size == "rest":
            assert [place, size, type_] == rows[-1][:3]
            break
        assert SIZES.get(type_, int(size)) == int(size)
        offset += int(size)
    head = offset - HEADER_BYTES
    length = f"{head} to {PAYLOAD_LIMIT}" if rows[-1][1] == "rest" else str(head)

    assert heading == ["offset", "size", "type", "field", "meaning"]
    assert rows[0][2:] == ["u8", "type", f"0x{kind:02x}"]
    assert rows[1][2:] == ["u16", "length", length]
    assert text.strip().startswith(f"{sender} →")


@pytest.mark.parametrize("name", FRAMES)
def test_fields_of_a_frame(name: str) -> None:
    """A frame's table names the fields of the message, in the order in which it has them."""
    rows = tables(section(f"### {name} 0x{FRAMES[name][0]:02x}"))[0][3:]
    kind = next(each for each in get_args(Message) if each.__name__ == name.capitalize())
    names = [row[3] for row in rows if row[3] != "version"]

    assert names == [each.name for each in kind.__attrs_attrs__]


def test_every_frame_is_on_the_page() -> None:
    """There is no frame that the page does not have."""
    known = {*lottery1.TO_CENTRAL.framed, *lottery1.TO_AGENCY.framed}

    assert {kind for kind, _ in FRAMES.values()} == known
    assert len(re.findall(r"^### [A-Z]+ 0x", PAGE, re.MULTILINE)) == len(FRAMES)


def test_limits() -> None:
    """The limits of the page are those of the code."""
    numbers = [int(row[1]) for row in tables(section("### Limits"))[0][1:]]

    assert numbers == [
        classic.TO_CENTRAL.payload_limit,
        lottery1.TO_AGENCY.payload_limit,
        classic.WINNERS_LIMIT,
        PAYLOAD_LIMIT,
        lottery1.BATCH_ROWS_LIMIT,
        lottery1.WINNERS_ROWS_LIMIT,
    ]
    assert lottery1.TO_CENTRAL.payload_limit == PAYLOAD_LIMIT


def test_classic_frames() -> None:
    """The page's table of the classic dialect has its frames, by direction."""
    rows = tables(section("## The classic dialect"))[0][1:]
    frames = {
        (row[0].split(" ")[0], int(row[1][1:3], 16), "payload" in row[1])  # who, type, framed
        for row in rows
    }

    assert frames == {
        (who, kind, framed)
        for who, vocabulary in (("agency", classic.TO_CENTRAL), ("central", classic.TO_AGENCY))
        for kinds, framed in ((vocabulary.framed, True), (vocabulary.bare, False))
        for kind in kinds
    }


def test_there_is_an_exchange_for_each_dialect() -> None:
    """Both dialects are shown from the first byte to the end."""
    ends = set()
    for dialect, said in exchanges():
        if said[-1].means.split(" ")[0] in ("ClassicWinners", "Received"):
            ends.add(dialect)

    assert ends == {"classic", "lottery/1"}


@pytest.mark.parametrize(("dialect", "said"), exchanges())
def test_exchange(dialect: str, said: list[Said]) -> None:
    """The bytes on the page are the messages that it names, both ways, at a legal moment."""
    decoders = {who: Decoder(VOCABULARIES[dialect, who]) for who in ("agency", "central")}
    encode = {"classic": classic.encode, "lottery/1": lottery1.encode}[dialect]
    conversation = Conversation()
    for frame in said:
        decoder = decoders[frame.who]
        decoder.receive(frame.data)
        message = decoder.next_message()

        assert message is not None
        assert decoder.unread == 0
        assert described(message) == frame.means
        assert encode(message) == frame.data
        conversation.heard(message)
    assert conversation.state in (State.OVER, State.REFUSED)
