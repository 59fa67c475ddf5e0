"""The roster: which agencies may come in, and how each is known.

A line of the file is ``id,name,certificate``. The certificate is known by a mark of it: the
SHA-256 of its bytes (``sha256:`` and 64 hexadecimal digits, with or without colons), or a name
for which it was made out (``dns:NAME`` or ``uri:URI``, one of its subject alternative names).
Blank lines, lines that begin with ``#``, and the heading ``id,name,certificate`` mean nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from attrs import field, frozen

from lottery.errors import Code, RemoteProtocolError, SettingsError
from lottery.settings_files import read_regular, shown

#: Some hundred thousand agencies fit in.
LARGEST_FILE_BYTES = 32 << 20
LONGEST_NAME = 64  # characters

_HEADING = "id,name,certificate"
_DNS = re.compile(r"[a-z0-9_*]([a-z0-9_.-]{0,251}[a-z0-9_])?")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,2000}")


@frozen
class Agency:
    """An agency of the roster.

    :ivar number: 0 to 4294967295.
    :ivar name: for people, 1 to 64 characters.
    """

    number: int
    name: str


@frozen
class Roster:
    """Which agencies may come in.

    :ivar agencies: by number.
    """

    agencies: Mapping[int, Agency]
    _by_mark: Mapping[str, Agency] = field(repr=False)

    def whose(self, marks: Collection[str]) -> Agency:
        """Tell whose certificate bears these marks.

        :raises RemoteProtocolError: AUTH, if it is nobody's, or that of several agencies.
        """
        found = {self._by_mark[mark] for mark in marks if mark in self._by_mark}
        if not found:
            raise RemoteProtocolError(Code.AUTH, "its certificate is that of no agency")
        if len(found) > 1:
            numbers = " and ".join(str(each) for each in sorted(each.number for each in found))
            raise RemoteProtocolError(Code.AUTH, f"its certificate is that of agencies {numbers}")
        return found.pop()


def read_roster(path: Path) -> Roster:
    """Read the whole roster, or nothing of it.

    :raises SettingsError: naming file, line and cause; also for a number, or a certificate,
        that stands there twice, and for a roster without an agency.
    """
    agencies: dict[int, Agency] = {}
    by_mark: dict[str, Agency] = {}
    for line, text in _lines(path):
        try:
            agency, mark = _entry(text)
            if agency.number in agencies:
                raise ValueError(f"agency {agency.number} stands there again")
            if mark in by_mark:
                raise ValueError(f"the certificate is that of agency {by_mark[mark].number}, too")
        except ValueError as error:
            raise SettingsError(f"{shown(str(path))}, line {line}: {error}") from None
        agencies[agency.number] = by_mark[mark] = agency
    if not agencies:
        raise SettingsError(f"{shown(str(path))}: no agency stands there")
    return Roster(agencies, by_mark)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Give the lines that mean something, with their numbers."""
    data = read_regular(path, LARGEST_FILE_BYTES, "no roster")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{shown(str(path))}, line {line}: not UTF-8 text") from None
    for number, each in enumerate(text.split("\n"), 1):
        line_text = each.strip()
        if line_text and not line_text.startswith("#") and line_text.lower() != _HEADING:
            yield number, line_text


def _entry(text: str) -> tuple[Agency, str]:
    """Read a line: an agency, and the mark of its certificate."""
    fields = [each.strip() for each in text.split(",")]
    if len(fields) != 3:
        raise ValueError(f"{len(fields)} fields instead of id, name and certificate")
    number, name, certificate = fields
    if not re.fullmatch("[0-9]{1,10}", number) or int(number) > 2**32 - 1:
        raise ValueError("the id must be a whole number from 0 to 4294967295")
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise ValueError(f"the name must be 1 to {LONGEST_NAME} printable characters")
    return Agency(int(number), name), _mark(certificate)


def _mark(text: str) -> str:
    """Give a mark the form in which :func:`~lottery.central.tls.marks_of` gives it."""
    kind, _, value = text.partition(":")
    kind = kind.lower()
    digits = value.replace(":", "").lower()
    if kind == "sha256" and re.fullmatch("[0-9a-f]{64}", digits):
        return f"sha256:{digits}"
    if kind == "dns" and _DNS.fullmatch(value.lower()):
        return f"dns:{value.lower()}"
    if kind == "uri" and _URI.fullmatch(value):
        return f"uri:{value}"
    raise ValueError("the certificate must be sha256: and 64 hexadecimal digits, dns: or uri:")
