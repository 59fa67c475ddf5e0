"""The list of bad input: what each kind comes to, and which tests play it.

Sixty kinds of bytes, files and settings that a central or an agency may be given. Where the outcome
is another than one might expect, the reason stands beside it.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent

BAD: Final = "integration/test_bad_input.py"
NONSENSE: Final = f"{BAD}::test_frames_that_are_none_or_not_now"
BATCH: Final = f"{BAD}::test_a_bad_batch_in_lottery1 {BAD}::test_a_bad_batch_in_the_classic_dialect"
GOOD: Final = f"{BAD}::test_what_looks_bad_and_is_good"
TIME: Final = "integration/test_bad_input_in_time.py"
SLOW: Final = f"{TIME}::test_frames_that_do_not_come"
AGAIN: Final = f"{BAD}::test_b20_to_b22_an_index_that_has_been"
START: Final = "integration/test_start_up.py"
TLS: Final = "integration/test_tls.py"
STRANGERS: Final = "integration/test_strangers.py"
LEDGERS: Final = "integration/test_ledgers_at_start.py"

#: number: what it is, what it comes to, and the tests.
CATALOGUE: Final[dict[int, tuple[str, str, str]]] = {
    1: ("a type byte that there is none", "PROTO; FF is a classic END", NONSENSE),
    2: ("a length over the limit", "SIZE, before its payload", NONSENSE),
    3: ("the longest payload", "taken", f"{BAD}::test_b3_the_longest_payload"),
    4: ("no payload where one is needed", "PROTO", NONSENSE),
    5: ("an empty classic batch", "taken", f"{BAD}::test_b5_an_empty_batch"),
    6: ("a header and silence", "TIMEOUT", SLOW),
    7: ("a byte now and then", "TIMEOUT", f"{SLOW} {STRANGERS}::test_a_trickle_from_an_agency"),
    8: (
        "the end in the middle of a frame",
        "LEFT_OUT, and it may come back",
        f"{NONSENSE} {BAD}::test_b8_cut_off_over_tls",
    ),
    9: ("a reset in a payload", "the same", f"{BAD}::test_b9_a_reset_within_a_payload"),
    10: ("a thousand frames at once", "taken", f"{BAD}::test_b10_a_thousand_frames"),
    11: ("a legal frame at the wrong time", "STATE", NONSENSE),
    12: ("a frame of the central", "PROTO", NONSENSE),
    13: ("a version to come", "PROTO, naming ours", NONSENSE),
    14: (
        "HTTP or TLS in plain text, plain text at the TLS port",
        "PROTO, an alert",
        f"{NONSENSE} {TLS}::test_plain_text_at_the_tls_port",
    ),
    15: ("a length of the other end", "SIZE, PROTO or TIMEOUT", f"{NONSENSE} {SLOW}"),
    16: ("another count than rows", "BATCH, for good", NONSENSE),
    17: ("a count of 0, or of far too many", "BATCH", NONSENSE),
    18: ("bytes behind the last row", "BATCH", NONSENSE),
    19: ("a gap", "SEQ, with the expected index", NONSENSE),
    20: ("the same batch again", "SEQ: a session takes the next index only", AGAIN),
    21: ("the same index with another digit", "SEQ, as the last one", AGAIN),
    22: ("another cut of what is stored", "SEQ; a HELLO says where to go on", AGAIN),
    23: ("the last index there is", "SEQ", NONSENSE),
    24: (
        "a batch behind the close",
        "TIMEOUT, then LEFT_OUT or CLOSED; acknowledged and in the seal, or neither",
        (
            f"{TIME}::test_b24_behind_the_close "
            "faults/test_closing.py::test_the_deadline_while_agencies_stream"
        ),
    ),
    25: ("an END of another total", "TOTALS", NONSENSE),
    26: (
        "a client that never reads",
        "aborted in time, memory bounded",
        (
            f"{TIME}::test_b26_who_never_reads "
            "integration/test_unread_acknowledgements.py::test_lost_with_acknowledgements_unread"
        ),
    ),
    **dict.fromkeys((27, 28), ("no UTF-8, a NUL", "FIELD", BATCH)),
    29: ("a line end in a name", "FIELD, or BATCH where it ends a row", BATCH),
    **dict.fromkeys((30, 32, 33, 34), ("characters that do harm somewhere", "FIELD", BATCH)),
    31: ("a comma or a quote", "FIELD, or BATCH where it ends a field", BATCH),
    35: ("composed and decomposed letters", "taken as they are", GOOD),
    36: ("a name of no, or of 65, characters", "FIELD", f"{BATCH} {GOOD}"),
    37: ("names as people have them", "taken", GOOD),
    38: ("a document with more than digits", "FIELD", BATCH),
    39: ("digits of other scripts", "FIELD", BATCH),
    40: ("a document of no, or too many, digits", "FIELD", f"{BATCH} {GOOD}"),
    41: ("a day that there is not", "FIELD", f"{BATCH} {GOOD}"),
    42: ("a day written otherwise", "FIELD", BATCH),
    43: ("a number out of range", "FIELD", BATCH),
    44: ("0, 9999, leading zeros", "taken up to 4 digits", f"{BATCH} {GOOD}"),
    45: ("more or fewer columns", "BATCH or FIELD, with the row", BATCH),
    46: ("the same bet twice", "taken: two bets", GOOD),
    47: (
        "an agency that is not on the roster",
        "AUTH; no such number: status 2",
        f"{NONSENSE} {START}::test_b47_b48_rosters {TLS}::test_signed_but_not_on_the_roster",
    ),
    48: (
        "a path for a number",
        "status 2; on the wire it is four bytes",
        (
            f"{START}::test_b47_b48_rosters "
            "integration/test_operators_machine.py::test_the_ledger_is_its_owners_alone"
        ),
    ),
    49: (
        "another agency than the certificate's",
        "AUTH, both in the log",
        f"{NONSENSE} {TLS}::test_another_agency_than_the_certificate_says",
    ),
    50: ("a row that names another agency", "BATCH: a field too many", NONSENSE),
    51: ("every wrong certificate", "an alert", f"{TLS}::test_refused_in_the_handshake"),
    52: ("the same agency twice", "TAKEN for the older", f"{BAD}::test_b52_the_same_agency_twice"),
    53: (
        "a flood of connections",
        "the oldest strangers go",
        f"{STRANGERS}::test_a_flood_of_connections_from_one_address",
    ),
    54: ("half a handshake", "TIMEOUT", f"{SLOW} {TLS}::test_a_handshake_that_stops"),
    55: (
        "files of settings",
        "status 2, file and line",
        (
            f"{START}::test_b55_b56_files_of_settings {START}::test_b55_no_file_of_settings "
            f"{START}::test_b55_files_that_are_fine"
        ),
    ),
    56: (
        "values out of range",
        "status 2, with the range",
        (
            f"{START}::test_b55_b56_files_of_settings {START}::test_b56_options "
            f"{START}::test_b56_no_place_for_the_classic"
        ),
    ),
    57: (
        "keys, certificates, directories and ports that cannot be used",
        "status 2, before it listens",
        (
            f"{START}::test_b57_files_of_tls {START}::test_b57_a_directory_that_cannot_be_written "
            f"{START}::test_b57_a_port_in_use"
        ),
    ),
    58: (
        "files of bets",
        "status 1, or streamed",
        f"{START}::test_b58_files_of_bets_that_are_none {START}::test_b58_an_endless_pipe",
    ),
    59: (
        "a file that was changed meanwhile",
        "the agency sees it by a checksum: status 1",
        "integration/test_agency_process.py::test_changed_file",
    ),
    60: (
        "a ledger with a torn tail, or with damage",
        "salvaged; or status 3, and nothing touched; a lost segment shows by what an agency knows",
        (
            f"{LEDGERS}::test_a_tail_that_is_none {LEDGERS}::test_damage "
            f"{LEDGERS}::test_a_segment_that_is_gone "
            "test_ledger_salvage.py::test_tails test_ledger_salvage.py::test_damage_is_left_alone "
            "test_central_restart.py::test_damage"
        ),
    ),
}


@cache
def functions(file: str) -> frozenset[str]:
    """The names of the tests in a file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_all_sixty() -> None:
    """None is left out."""
    assert set(CATALOGUE) == set(range(1, 61))


@pytest.mark.parametrize("number", CATALOGUE)
def test_each_is_played(number: int) -> None:
    """By tests that are there; and the big tables have rows of its number."""
    what, outcome, tests = CATALOGUE[number]
    assert what
    assert outcome
    for test in tests.split():
        file, _, name = test.partition("::")
        assert name in functions(file), test
    for file, tables in ((BAD, (NONSENSE, BATCH, GOOD)), (TIME, (SLOW,))):
        if any(table in tests for table in tables):
            assert f"B{number}-" in (ROOT / file).read_text(encoding="utf-8")
