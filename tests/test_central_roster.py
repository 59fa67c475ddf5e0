"""``lottery.central.roster``: the file of agencies that may come in."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attrs.exceptions import FrozenInstanceError

from lottery.central import roster
from lottery.central.roster import Agency, read_roster
from lottery.errors import Code, RemoteProtocolError, SettingsError

SHA = "sha256:" + "0a" * 32
OTHER = "sha256:" + "0b" * 32


def written(directory: Path, content: str | bytes) -> Path:
    """A roster of this content."""
    path = directory / "roster.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(directory: Path, content: str | bytes) -> str:
    """Why a roster is not taken, behind its path."""
    path = written(directory, content)
    with pytest.raises(SettingsError) as error:
        read_roster(path)
    assert error.value.__cause__ is None
    sentence = str(error.value)
    assert sentence.isprintable()
    assert sentence.startswith(str(path))
    return sentence.removeprefix(str(path))


def mark_of(directory: Path, certificate: str) -> str:
    """The mark by which a certificate is known that stands like this in the file."""
    return next(iter(read_roster(written(directory, f"1,One,{certificate}\n"))._by_mark))


# What is taken.


def test_agencies_and_their_marks(tmp_path: Path) -> None:
    """By number; each is told by any mark of its certificate that stands in the file."""
    text = f"0,Zero,{SHA}\n4294967295,Última,dns:a.example\n7,Seven,uri:urn:lottery:agency:7\n"
    found = read_roster(written(tmp_path, text))
    zero, last, seven = Agency(0, "Zero"), Agency(2**32 - 1, "Última"), Agency(7, "Seven")
    assert found.agencies == {0: zero, 2**32 - 1: last, 7: seven}
    assert found.whose({SHA, "dns:somewhere.else"}) == zero
    assert found.whose(frozenset({"dns:a.example"})) == last
    assert found.whose(["uri:urn:lottery:agency:7"]) == seven


def test_a_roster_is_a_value(tmp_path: Path) -> None:
    """Neither it nor an agency of it takes another value; and it does not show its marks."""
    found = read_roster(written(tmp_path, f"1,One,{SHA}\n"))
    with pytest.raises(FrozenInstanceError):
        found.agencies = {}  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        found.agencies[1].number = 2  # type: ignore[misc]
    assert "0a0a" not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        f"1,One,{SHA}",
        f"1,One,{SHA}\r\n",
        f"\ufeff1,One,{SHA}\n",
        f"\ufeffid,name,certificate\n1,One,{SHA}\n",
        f" ID,Name,Certificate \n\n  # a remark, with a comma\n\t1 ,  One\t, {SHA} \n   \n",
        f"#1,Two,{OTHER}\n1,One,{SHA}\n",
        f"0000000001,One,{SHA}\n",
    ],
)
def test_what_means_nothing(tmp_path: Path, text: str) -> None:
    """Blank lines, remarks, the heading, blanks around a field, a BOM, CR, the last LF."""
    found = read_roster(written(tmp_path, text))
    assert found.agencies == {1: Agency(1, "One")}
    assert found.whose([SHA]).number == 1


@pytest.mark.parametrize(
    ("certificate", "mark"),
    [
        ("sha256:" + ":".join(["0A"] * 32), SHA),
        ("SHA256:" + "0a" * 32, SHA),
        ("dns:A.Example", "dns:a.example"),
        ("DNS:x", "dns:x"),
        ("dns:*.Srv_1-9", "dns:*.srv_1-9"),
        ("dns:" + "a" * 253, "dns:" + "a" * 253),
        ("uri:URN:Lottery", "uri:URN:Lottery"),
        ("Uri:a+b-c.1:!~", "uri:a+b-c.1:!~"),
        ("uri:a:" + "x" * 2000, "uri:a:" + "x" * 2000),
    ],
)
def test_marks_have_one_form(tmp_path: Path, certificate: str, mark: str) -> None:
    """That of ``marks_of``: lower case but for URIs, no colons between the digits."""
    assert mark_of(tmp_path, certificate) == mark


@pytest.mark.parametrize("name", ["x", "ñ" * 64, "Casa 7: la última"])
def test_names(tmp_path: Path, name: str) -> None:
    """1 to 64 characters that can be printed."""
    found = read_roster(written(tmp_path, f"1,{name},{SHA}\n"))
    assert found.agencies[1].name == name


# What is not.


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", ": no agency stands there"),
        ("id,name,certificate\n# 1,One\n\n", ": no agency stands there"),
        ("1,One\n", ", line 1: 2 fields instead of id, name and certificate"),
        (f"1,One,{SHA},\n", ", line 1: 4 fields instead of id, name and certificate"),
        (f"1,One,{SHA}\nx\n", ", line 2: 1 fields instead of id, name and certificate"),
        (f'1,"One, Two",{SHA}\n', ", line 1: 4 fields instead of id, name and certificate"),
        (b"1,One\xff\n", ", line 1: not UTF-8 text"),
        (f"\n1,One,{SHA}\n\n2,T".encode() + b"\xc3", ", line 4: not UTF-8 text"),
        (f"1,One,{SHA}\n".encode("utf-16"), ", line 1: not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_roster(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    """The line is named, counted as an editor does."""
    assert refused(tmp_path, content) == sentence


@pytest.mark.parametrize(
    "number",
    ["", "-1", "+1", "1.0", "0x1", "1_0", "\u0667", "\xb2", "4294967296", "0" * 10 + "1", "1 2"],
)
def test_a_number_that_is_none(tmp_path: Path, number: str) -> None:
    """What ``int`` would take is not enough."""
    sentence = ", line 2: the id must be a whole number from 0 to 4294967295"
    assert refused(tmp_path, f"\n{number},One,{SHA}\n") == sentence


@pytest.mark.parametrize(
    "name", ["", " ", "x" * 65, "a\tb", "a\x1bb", "a\x00b", "a\u202eb", "a\x85b"]
)
def test_a_name_that_is_none(tmp_path: Path, name: str) -> None:
    """It will stand in the log and on terminals."""
    sentence = ", line 1: the name must be 1 to 64 printable characters"
    assert refused(tmp_path, f"1,{name},{SHA}\n") == sentence


@pytest.mark.parametrize(
    "certificate",
    [
        "",
        "0a" * 32,
        "sha256:",
        "sha256:" + "0a" * 31,
        "sha256:" + "0a" * 33,
        "sha256:" + "0g" * 32,
        "sha1:" + "0a" * 20,
        "dns:",
        "dns:-a",
        "dns:a.",
        "dns:a.*",
        "dns:a b",
        "dns:ñ",
        "dns:" + "a" * 254,
        "uri:",
        "uri:nothing",
        "uri:1a:b",
        "uri:a:",
        "uri:a:b c",
        "uri:a:ñ",
        "uri:a:" + "x" * 2001,
        "email:a@b",
        "CN=One",
    ],
)
def test_a_certificate_that_is_none(tmp_path: Path, certificate: str) -> None:
    """One of three kinds, and nothing that could never be the mark of a certificate."""
    sentence = ", line 1: the certificate must be sha256: and 64 hexadecimal digits, dns: or uri:"
    assert refused(tmp_path, f"1,One,{certificate}\n") == sentence


def test_a_number_that_stands_there_twice(tmp_path: Path) -> None:
    """However it is written: whose certificate would count?"""
    text = f"7,One,{SHA}\n007,Two,{OTHER}\n"
    assert refused(tmp_path, text) == ", line 2: agency 7 stands there again"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SHA, "SHA256:" + ":".join(["0A"] * 32)),
        ("dns:a.example", "dns:A.EXAMPLE"),
        ("uri:urn:a", "URI:urn:a"),
    ],
)
def test_a_certificate_that_stands_there_twice(tmp_path: Path, first: str, second: str) -> None:
    """However it is written: whose would it be?"""
    text = f"1,One,{first}\n2,Two,{second}\n"
    assert refused(tmp_path, text) == ", line 2: the certificate is that of agency 1, too"


def test_uris_differ_by_case(tmp_path: Path) -> None:
    """Names of hosts do not."""
    found = read_roster(written(tmp_path, "1,One,uri:urn:a\n2,Two,uri:urn:A\n"))
    assert found.whose(["uri:urn:A"]).number == 2


@pytest.mark.parametrize(
    ("place", "cause"), [("missing.csv", "No such file or directory"), ("", "Is a directory")]
)
def test_a_file_that_cannot_be_read(tmp_path: Path, place: str, cause: str) -> None:
    """The system's reason, without its number."""
    path = tmp_path / place
    with pytest.raises(SettingsError) as error:
        read_roster(path)
    assert str(error.value) == f"{path}: can not be read, {cause}"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a\x00b", "'{}/a\\x00b'"), ("a\nb", "'{}/a\\nb'"), ("a\x1bb", "'{}/a\\x1bb'")],
)
def test_a_path_that_is_not_fit_for_a_sentence(tmp_path: Path, name: str, shown: str) -> None:
    """It is shown in a form that is."""
    with pytest.raises(SettingsError) as error:
        read_roster(tmp_path / name)
    sentence = str(error.value)
    assert sentence.startswith(f"{shown.format(tmp_path)}: can not be read, ")
    assert sentence.isprintable()


def test_a_file_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first byte beyond the limit is one too many; no more than that is read."""
    text = f"1,One,{SHA}\n"
    monkeypatch.setattr(roster, "LARGEST_FILE_BYTES", len(text))
    assert len(read_roster(written(tmp_path, text)).agencies) == 1
    expected = f": longer than {len(text)} bytes, no roster"
    assert refused(tmp_path, text + "\n") == expected


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody writes to it: whoever waits for that is never done, and a central never stops."""
    path = tmp_path / "roster.csv"
    os.mkfifo(path)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_roster, path)
        try:
            with pytest.raises(SettingsError, match=r"roster\.csv: "):
                reading.result(timeout=2)
        finally:
            os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))  # ends the wait of who waits


# Whose a certificate is.


def test_a_certificate_of_nobody(tmp_path: Path) -> None:
    """AUTH; so is one without a mark."""
    found = read_roster(written(tmp_path, f"1,One,{SHA}\n2,Two,dns:a.example\n"))
    for marks in ([], [OTHER], ["dns:A.example"], ["a.example"], [SHA.upper()]):
        with pytest.raises(RemoteProtocolError) as error:
            found.whose(marks)
        assert error.value.code is Code.AUTH
        assert error.value.sentence == "its certificate is that of no agency"


def test_a_certificate_of_several(tmp_path: Path) -> None:
    """AUTH, and all of them are named, in order: none of them may come in with it."""
    text = f"10,Ten,{SHA}\n9,Nine,dns:a.example\n2,Two,uri:urn:a\n"
    found = read_roster(written(tmp_path, text))
    with pytest.raises(RemoteProtocolError) as error:
        found.whose([SHA, "dns:a.example", OTHER])
    assert error.value.code is Code.AUTH
    assert error.value.sentence == "its certificate is that of agencies 9 and 10"
    with pytest.raises(RemoteProtocolError, match="agencies 2 and 9 and 10"):
        found.whose([SHA, "dns:a.example", "uri:urn:a"])


def test_two_marks_of_one_agency(tmp_path: Path) -> None:
    """An agency may be known by one mark only, so two of its own cannot be there."""
    text = f"1,One,{SHA}\n1,One,{OTHER}\n"
    assert refused(tmp_path, text) == ", line 2: agency 1 stands there again"
