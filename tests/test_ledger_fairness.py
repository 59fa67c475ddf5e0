"""``lottery.ledger.fairness``: what is promised, what is made of it, and nobody is favoured."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import evolve
from ledger_bytes import NONCE, batch, closed, end, part, tree

import lottery.ledger.fairness as fairness_module
from lottery.central.announcements import tell_kept_promises
from lottery.errors import DamagedLedger, StartError
from lottery.ledger.directory import DataDirectory, DrawDirectory
from lottery.ledger.fairness import (
    commitment_of,
    make_secret,
    number_of,
    read_promised,
    read_secret,
)
from lottery.ledger.record import DrawRecord, encode, publish
from lottery.ledger.recovery import recover
from lottery.ledger.seal import draw_number, seal
from lottery.ops.log import ActionLog

SECRET = bytes(range(32, 64))
PROMISED = hashlib.sha256(SECRET).hexdigest()
#: Upper end of what chance alone does in 999 of 1,000 cases, with 99 degrees of freedom.
CHI_SQUARE_99 = 148.23


def longhand(secret: bytes, bets: str, nonces: list[tuple[int, bytes]]) -> int:
    """The number as docs/fairness.md has it, with nothing shared but hashlib."""
    text = b"lottery number 1\n" + secret + bytes.fromhex(bets)
    text += b"".join(agency.to_bytes(4, "big") + nonce for agency, nonce in nonces)
    seed = hashlib.sha256(text).digest()
    for counter in range(1000):
        block = hashlib.sha256(seed + counter.to_bytes(4, "big")).digest()
        value = int.from_bytes(block[:8], "big")
        if value < 18_446_744_073_709_550_000:
            return value % 10_000
    raise AssertionError


@pytest.mark.parametrize(
    ("secret", "bets", "nonces", "number"),
    [
        (SECRET, "00" * 32, [], 3330),
        (SECRET, "00" * 32, [(3, NONCE)], 9964),
        (SECRET, "ff" * 32, [(3, NONCE), (2**32 - 1, SECRET)], 8990),
    ],
)
def test_numbers(secret: bytes, bets: str, nonces: list[tuple[int, bytes]], number: int) -> None:
    """These stay what they are: published draws are checked with them."""
    assert number_of(secret, bets, nonces) == number == longhand(secret, bets, nonces)


def test_every_part_counts() -> None:
    """Another secret, ledger, agency or nonce gives another number, but for one in 10,000."""
    bets = PROMISED
    nonces = [(3, NONCE), (4, SECRET)]
    others = [
        number_of(NONCE, bets, nonces),
        number_of(SECRET, "00" * 32, nonces),
        number_of(SECRET, bets, nonces[:1]),
        number_of(SECRET, bets, [(3, NONCE), (5, SECRET)]),
        number_of(SECRET, bets, [(3, NONCE), (4, SECRET[:-1] + b"\xff")]),
        number_of(SECRET, bets, nonces[::-1]),
    ]
    assert len({number_of(SECRET, bets, nonces), *others}) == 7


def test_no_number_is_favoured() -> None:
    """20,000 draws: the hundreds, the last two digits, and the digits, as chance has them."""

    def drawn() -> Iterator[int]:
        for index in range(20_000):
            secret = hashlib.sha256(b"secret %d" % index).digest()
            nonce = hashlib.sha256(b"nonce %d" % index).digest()
            yield number_of(secret, PROMISED, [(1, nonce)])

    numbers = list(drawn())
    assert min(numbers) >= 0
    assert max(numbers) <= 9999
    for group in (lambda n: n // 100, lambda n: n % 100, lambda n: n % 10 + n // 1000 * 10):
        counts = Counter(map(group, numbers))
        chi_square = sum((counts[cell] - 200) ** 2 / 200 for cell in range(100))
        assert chi_square < CHI_SQUARE_99


@pytest.mark.parametrize("passed_over", [0, 1, 3])
def test_values_that_would_favour_low_numbers_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, passed_over: int
) -> None:
    """The limit is the highest multiple of 10,000; one below it counts, it itself does not."""
    limit = 18_446_744_073_709_550_000
    values = iter([*[limit + 1615, limit, limit + 7][:passed_over], limit - 1])

    class Hash:
        def __init__(self, data: bytes) -> None:
            self._is_block = len(data) == 36
            self._seed = hashlib.sha256(data)

        def update(self, data: bytes) -> None:
            self._seed.update(data)

        def digest(self) -> bytes:
            return next(values).to_bytes(8, "big") * 4 if self._is_block else self._seed.digest()

    class Hashes:
        sha256 = Hash

    monkeypatch.setattr(fairness_module, "hashlib", Hashes)
    assert number_of(SECRET, "00" * 32, []) == 9999
    assert next(values, None) is None


def test_secrets(tmp_path: Path) -> None:
    """They are 32 bytes, never the same, and nobody else's to read."""
    paths = [tmp_path / "one", tmp_path / "two"]
    for path in paths:
        make_secret(path)
        assert path.stat().st_mode & 0o777 == 0o600
    one, two = map(read_secret, paths)
    assert len(one) == len(two) == 32
    assert one != two
    assert paths[0].read_bytes() == one.hex().encode() + b"\n"
    assert read_promised(paths[0], commitment_of(one)) == one
    with pytest.raises(DamagedLedger, match="another secret"):
        read_promised(paths[1], commitment_of(one))


@pytest.mark.parametrize(
    "text",
    [b"", b"\n", b"00" * 32, b"00" * 31 + b"\n", b"00" * 33 + b"\n", b"0g" * 32 + b"\n",
     b"FF" * 32 + b"\n", b" " + b"00" * 32 + b"\n", b"\xff" * 65],
)  # fmt: skip
def test_what_is_no_secret(tmp_path: Path, text: bytes) -> None:
    """A damaged one is damage, never a traceback or another number."""
    (tmp_path / "secret").write_bytes(text)
    with pytest.raises(DamagedLedger, match="no secret"):
        read_secret(tmp_path / "secret")
    (tmp_path / "secret").unlink()
    with pytest.raises(DamagedLedger, match="is missing"):
        read_secret(tmp_path / "secret")


# In the ledger.


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    """A data directory whose draws are to be random."""
    (tmp_path / "draws").mkdir()
    return DataDirectory(tmp_path, provable=True)


@pytest.fixture
def draw(data: DataDirectory) -> DrawDirectory:
    """An open draw with a secret that is known."""
    draw = data.new_draw(5)
    draw.secret.write_bytes(SECRET.hex().encode() + b"\n")
    publish(evolve(draw.read(), commitment=PROMISED), draw.record)
    return draw


def closing_of(draw: DrawDirectory) -> DrawRecord:
    """Three agencies have come; one of them is left out, one is classic."""
    records = (batch(3, 0, 3), batch(10, 0, 6, classic=True), end(10, 6, nonce=b""))
    draw.segment(1).write_bytes(closed(1, *records, batch(12, 0, 5), end(3, 3)))
    parts = (part(3, 3), part(10, 6, dialect="classic"), part(12, 4, "left_out"))
    record = evolve(draw.read(), state="closing", agencies=parts)
    publish(record, draw.record)
    return record


def test_a_promise_is_in_the_first_record(data: DataDirectory) -> None:
    """Its hash is there before anybody can come, and the secret is not."""
    draw = data.new_draw(5)
    secret = read_secret(draw.secret)
    promised = commitment_of(secret)
    assert draw.read() == DrawRecord(1, "open", 5, commitment=promised)
    assert (
        f'  "commitment": "{promised}",\n  "secret": null,\n'.encode() in draw.record.read_bytes()
    )
    assert secret.hex() not in draw.record.read_text()
    assert data.new_draw(5).read().commitment != promised


def test_the_number_is_made_of_the_seal(draw: DrawDirectory) -> None:
    """From the secret, ``bets.csv`` and the nonces of those that took part; then it is revealed."""
    sealed = seal(draw, closing_of(draw))
    assert (sealed.commitment, sealed.secret) == (PROMISED, None)
    drawn = draw_number(draw, sealed, 42)
    assert draw.read() == drawn
    assert drawn.secret == SECRET
    assert drawn.bets_csv is not None
    digest = hashlib.sha256(draw.bets_csv.read_bytes()).hexdigest()
    assert drawn.winning_number == longhand(SECRET, digest, [(3, NONCE)]) != 42
    again = draw_number(draw, sealed, None)
    assert again == drawn


def test_no_number_without_the_promised_secret(draw: DrawDirectory) -> None:
    """Another one, or none, draws nothing; nothing is published."""
    sealed = seal(draw, closing_of(draw))
    make_secret(draw.secret)
    with pytest.raises(DamagedLedger, match="another secret"):
        draw_number(draw, sealed, 42)
    draw.secret.unlink()
    with pytest.raises(DamagedLedger, match="is missing"):
        draw_number(draw, sealed, 42)
    assert draw.read() == sealed
    with pytest.raises(ValueError, match="promised no secret"):
        draw_number(draw, evolve(sealed, commitment=None), None)


@pytest.mark.parametrize("state", ["open", "closing", "sealed"])
def test_a_start_misses_the_secret(data: DataDirectory, draw: DrawDirectory, state: str) -> None:
    """As long as it is needed, its loss is found at the start, and nothing is touched."""
    if state != "open":
        record = closing_of(draw)
        if state == "sealed":
            seal(draw, record)
    before = tree(draw.path)
    for harm in (make_secret, Path.unlink):
        harm(draw.secret)
        changed = {**before, **{name: b for name, b in tree(draw.path).items() if name == "secret"}}
        with pytest.raises(DamagedLedger, match=r"secret|missing"):
            recover(data, 9)
        left = tree(draw.path)
        assert {**changed, **left} == {**before, **left}


def broken_off(data: DataDirectory, path: Path) -> None:
    path.mkdir()
    make_secret(path / "secret")


@pytest.mark.parametrize("provable", [True, False])
@pytest.mark.parametrize("harm", [False, True])
def test_a_secret_that_was_never_promised(tmp_path: Path, provable: bool, harm: bool) -> None:
    """It may not even be on disk: another one takes its place, or it goes."""
    data = DataDirectory(tmp_path, provable=provable)
    (tmp_path / "draws").mkdir()
    path = tmp_path / "draws" / "000001"
    broken_off(data, path)
    old = read_secret(path / "secret")
    if harm:
        (path / "secret").write_bytes(b"")
    (found,) = recover(data, 5)
    assert (path / "secret").exists() is provable
    if provable:
        assert read_secret(path / "secret") != old
        assert found.record.commitment == commitment_of(read_secret(path / "secret"))
    else:
        assert found.record.commitment is None


def test_a_secret_beside_a_fixed_draw_goes(tmp_path: Path) -> None:
    """A start that was to make the draw a random one was broken off."""
    (tmp_path / "draws").mkdir()
    draw = DataDirectory(tmp_path).new_draw(5)
    make_secret(draw.secret)
    before = draw.read()
    (found,) = recover(DataDirectory(tmp_path), 5)
    assert found.record == before
    assert not draw.secret.exists()


def test_wanted_otherwise_at_the_next_start(tmp_path: Path) -> None:
    """A draw that nobody has come to can become a random one; a promise is never taken back."""
    (tmp_path / "draws").mkdir()
    fixed, provable = DataDirectory(tmp_path), DataDirectory(tmp_path, provable=True)
    draw = fixed.new_draw(5)
    (found,) = recover(provable, 5)
    assert found.record.commitment == commitment_of(read_secret(draw.secret))
    promised = found.record
    assert [each.record for each in recover(fixed, 5)] == [promised]
    (found,) = recover(fixed, 7)
    assert found.record == evolve(promised, places=7)
    draw.segment(1).write_bytes(closed(1, batch(3, 0, 3)))
    assert [each.record for each in recover(fixed, 5)] == [evolve(promised, places=7)]


STATES = ("open", "closing", "sealed")


@pytest.mark.parametrize("state", STATES)
def test_random_is_wanted_too_late(tmp_path: Path, state: str) -> None:
    """There are bets that nothing was promised for: nothing is touched, no draw is made random."""
    (tmp_path / "draws").mkdir()
    data = DataDirectory(tmp_path)
    draw = data.new_draw(5)
    draw.segment(1).write_bytes(closed(1, batch(3, 0, 3)))
    if state != "open":
        record = closing_of(draw)
        if state == "sealed":
            seal(draw, record)
    behind = data.new_draw(5)
    before = tree(tmp_path)
    provable = DataDirectory(tmp_path, provable=True)
    with pytest.raises(StartError, match="draw 1 has begun without a promised secret"):
        recover(provable, 9)
    assert tree(tmp_path) == before
    assert [each.record.commitment for each in recover(data, 5)] == [None, None]
    assert not behind.secret.exists()


@pytest.mark.parametrize("state", ["open", "closing", "drawn"])
def test_a_draw_that_needs_no_number(tmp_path: Path, state: str) -> None:
    """Nobody has ended in it, or it is drawn: the next ones may be random."""
    (tmp_path / "draws").mkdir()
    data = DataDirectory(tmp_path)
    draw = data.new_draw(5)
    if state == "closing":
        publish(evolve(draw.read(), state="closing"), draw.record)
    elif state == "drawn":
        draw_number(draw, seal(draw, closing_of(draw)), 7574)
    behind = data.new_draw(5)
    found = recover(DataDirectory(tmp_path, provable=True), 5)
    assert [each.record.draw for each in found] == [1, 2]
    assert found[0].record.commitment is None
    assert found[1].record.commitment == commitment_of(read_secret(behind.secret))


@pytest.mark.parametrize(("wanted", "said"), [(7574, ["promise_kept"]), (None, [])])
def test_a_kept_promise_is_told(draw: DrawDirectory, wanted: int | None, said: list[str]) -> None:
    """Whoever wants a fixed number now hears that it will be a random one."""
    heard: list[str] = []
    log: Callable[..., None] = lambda action, *_, **details: heard.append(action)
    tell_kept_promises(recover(DataDirectory(draw.path.parents[1]), 5), wanted, _as_log(log))
    assert heard == said


def _as_log(log: Callable[..., None]) -> ActionLog:
    return log  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("state", "there"), [("open", True), ("sealed", True), ("drawn", False), ("delivered", False)]
)
def test_a_record_against_its_state(tmp_path: Path, state: str, there: bool) -> None:
    """A secret before its time, or none behind it, is no record of ours."""
    (tmp_path / "draws").mkdir()
    draw = DataDirectory(tmp_path, provable=True).new_draw(5)
    record = seal(draw, closing_of(draw))
    if state == "open":
        record = DrawRecord(1, "open", 5, commitment=record.commitment)
    elif state != "sealed":
        record = evolve(draw_number(draw, record, None), state=state)
    draw.record.write_bytes(encode(evolve(record, secret=SECRET if there else None)))
    with pytest.raises(DamagedLedger, match="no record of this format"):
        draw.read()
