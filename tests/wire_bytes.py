"""The exact bytes of the wire, written by hand from the layout: one table for all tests.

Nothing here is computed by the encoder. A hexadecimal literal may hold blanks, which
separate the fields of a frame; long payloads are a byte, repeated.
"""

from __future__ import annotations

from attrs import field, frozen

from lottery.errors import Code
from lottery.wire import classic, lottery1
from lottery.wire.decoder import Vocabulary
from lottery.wire.messages import (
    Ack,
    Batch,
    ClassicBatch,
    ClassicEnd,
    ClassicRefused,
    ClassicStored,
    ClassicWinners,
    DrawState,
    End,
    Error,
    Hello,
    Message,
    Received,
    Refused,
    Welcome,
    Winners,
)

U16, U32, U64 = 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF

AT_CENTRAL = (classic.TO_CENTRAL, lottery1.TO_CENTRAL)
AT_CLASSIC_AGENCY = (classic.TO_AGENCY,)
AT_AGENCY = (lottery1.TO_AGENCY,)


def _bytes(literal: str) -> bytes:
    return bytes.fromhex(literal)


@frozen
class Case:
    """A message and its bytes, the same for the end that says it and the end that hears it."""

    name: str
    data: bytes = field(converter=_bytes, repr=False)
    message: Message = field(repr=False)


@frozen
class Bad:
    """Bytes that are no message: the error is due with the last of them, not sooner or later.

    :ivar before: good bytes that come first.
    :ivar vocabularies: what the end that hears them listens for.
    :ivar sentence: a part of what the peer is told.
    """

    name: str
    vocabularies: tuple[Vocabulary, ...] = field(repr=False)
    before: bytes = field(converter=_bytes, repr=False)
    data: bytes = field(converter=_bytes, repr=False)
    code: Code
    sentence: str


# Ana,López,30904465,1999-03-17,7574 with a comma (classic) or LF (lottery/1) behind it.
FIELDS = "416e61 2c 4cc3b370657a 2c 3330393034343635 2c 313939392d30332d3137 2c 37353734 2c"
ROW = "416e61 2c 4cc3b370657a 2c 3330393034343635 2c 313939392d30332d3137 2c 37353734 0a"
FIELDS_READ = "Ana,López,30904465,1999-03-17,7574,".encode()
ROW_READ = "Ana,López,30904465,1999-03-17,7574\n".encode()

NONCE = "000102030405060708090a0b0c0d0e0f 101112131415161718191a1b1c1d1e1f"
NONCE_READ = bytes(range(32))

CLASSIC_TO_CENTRAL = (
    Case("batch, empty", "01 0000", ClassicBatch(b"")),
    Case("batch, one bet", f"01 0024 {FIELDS}", ClassicBatch(FIELDS_READ)),
    Case("batch, two bets", f"01 0048 {FIELDS} {FIELDS}", ClassicBatch(FIELDS_READ * 2)),
    Case("batch, not UTF-8", "01 0003 ff00fe", ClassicBatch(b"\xff\x00\xfe")),
    Case("batch, looks like frames", "01 0004 ff010000", ClassicBatch(b"\xff\x01\x00\x00")),
    Case("batch, 255 bytes", "01 00ff" + "61" * 255, ClassicBatch(b"a" * 255)),
    Case("batch, 256 bytes", "01 0100" + "61" * 256, ClassicBatch(b"a" * 256)),
    Case("batch, 8191 bytes", "01 1fff" + "61" * 8191, ClassicBatch(b"a" * 8191)),
    Case("batch, 8192 bytes", "01 2000" + "61" * 8192, ClassicBatch(b"a" * 8192)),
    Case("end", "ff", ClassicEnd()),
)

CLASSIC_TO_AGENCY = (
    Case("stored", "02", ClassicStored()),
    Case("refused", "ff", ClassicRefused()),
    Case("winners, none", "03 0000", ClassicWinners(b"")),
    Case("winners, one", "03 0008 3330393034343635", ClassicWinners(b"30904465")),
    Case(
        "winners, two",
        "03 0011 3330393034343635 2c 3234383037323539",
        ClassicWinners(b"30904465,24807259"),
    ),
    Case("winners, 8193 bytes", "03 2001" + "31" * 8193, ClassicWinners(b"1" * 8193)),
    Case("winners, 65535 bytes", "03 ffff" + "31" * 65535, ClassicWinners(b"1" * 65535)),
)

LOTTERY1_TO_CENTRAL = (
    Case("HELLO, all zero", "10 0011 01 00000000 00000000 0000000000000000", Hello(0, 0, 0)),
    Case("HELLO", "10 0011 01 00000003 00000002 00000000000003e8", Hello(3, 2, 1000)),
    Case("HELLO, all ones", "10 0011 01 ffffffff ffffffff ffffffffffffffff", Hello(U32, U32, U64)),
    Case("BATCH, empty", "11 000a 0000000000000000 0000", Batch(0, 0, b"")),
    Case("BATCH, one row", f"11 002e 0000000000000007 0001 {ROW}", Batch(7, 1, ROW_READ)),
    Case("BATCH, two rows", f"11 0052 0000000000000008 0002 {ROW}{ROW}", Batch(8, 2, ROW_READ * 2)),
    Case("BATCH, count beyond rows", "11 000b ffffffffffffffff ffff 0a", Batch(U64, U16, b"\n")),
    Case(
        "BATCH, payload of 8191 bytes",
        "11 1fff 0000000000000001 0002" + "61" * 8181,
        Batch(1, 2, b"a" * 8181),
    ),
    Case(
        "BATCH, payload of 8192 bytes",
        "11 2000 0000000000000001 0002" + "61" * 8182,
        Batch(1, 2, b"a" * 8182),
    ),
    Case("END", f"12 0028 0000000000003dfe {NONCE}", End(15870, NONCE_READ)),
    Case("END, all zero", "12 0028 0000000000000000" + "00" * 32, End(0, bytes(32))),
    Case("END, all ones", "12 0028 ffffffffffffffff" + "ff" * 32, End(U64, b"\xff" * 32)),
    Case("RECEIVED", "13 000c 00000001 0000000000000002", Received(1, 2)),
    Case("RECEIVED, all zero", "13 000c 00000000 0000000000000000", Received(0, 0)),
    Case("RECEIVED, all ones", "13 000c ffffffff ffffffffffffffff", Received(U32, U64)),
)

LOTTERY1_TO_AGENCY = (
    Case(
        "WELCOME, new agency",
        "20 0018 00000001 01 00 0000000000000000 00000000 2000 0000003c",
        Welcome(1, DrawState.OPEN, False, 0, 0, 8192, 60),
    ),
    Case(
        "WELCOME, goes on",
        "20 0018 00000001 01 00 00000000000003e8 89abcdef 2000 00000000",
        Welcome(1, DrawState.OPEN, False, 1000, 0x89ABCDEF, 8192, 0),
    ),
    Case(
        "WELCOME, closing",
        "20 0018 00000001 02 01 0000000000000001 00000000 2000 00000000",
        Welcome(1, DrawState.CLOSING, True, 1, 0, 8192, 0),
    ),
    Case(
        "WELCOME, sealed",
        "20 0018 00000001 03 01 0000000000000001 00000000 2000 00000000",
        Welcome(1, DrawState.SEALED, True, 1, 0, 8192, 0),
    ),
    Case(
        "WELCOME, drawn",
        "20 0018 00000001 04 01 0000000000000001 00000000 2000 00000000",
        Welcome(1, DrawState.DRAWN, True, 1, 0, 8192, 0),
    ),
    Case(
        "WELCOME, delivered",
        "20 0018 00000001 05 01 0000000000000001 00000000 2000 00000000",
        Welcome(1, DrawState.DELIVERED, True, 1, 0, 8192, 0),
    ),
    Case(
        "WELCOME, void, all ones",
        "20 0018 ffffffff 06 01 ffffffffffffffff ffffffff ffff ffffffff",
        Welcome(U32, DrawState.VOID, True, U64, U32, U16, U32),
    ),
    Case("ACK, nothing yet", "21 0009 0000000000000000 00", Ack(0, False)),
    Case("ACK", "21 0009 0000000000000064 00", Ack(100, False)),
    Case("ACK of END, all ones", "21 0009 ffffffffffffffff 01", Ack(U64, True)),
    Case(
        "REFUSED, again, no sentence",
        "22 000d 0b 01 0000000000000064 0000 00",
        Refused(Code.STORAGE, True, 100, 0, 0, ""),
    ),
    Case(
        "REFUSED, for good",
        "22 0010 08 00 0000000000000000 0003 05 c3b121",
        Refused(Code.FIELD, False, 0, 3, 5, "ñ!"),
    ),
    Case(
        "REFUSED, payload of 8192 bytes",
        "22 2000 10 01 ffffffffffffffff ffff ff" + "61" * 8179,
        Refused(Code.STOPPING, True, U64, U16, 255, "a" * 8179),
    ),
    Case(
        "WINNERS, none",
        "23 0016 00000001 1d96 0000000000000000 0000000000000000",
        Winners(1, 7574, 0, 0, b""),
    ),
    Case(
        "WINNERS, the second of two",
        f"23 003a 00000001 1d96 0000000000000002 0000000000000001 {ROW}",
        Winners(1, 7574, 2, 1, ROW_READ),
    ),
    Case(
        "WINNERS, payload of 8192 bytes, all at their highest",
        "23 2000 ffffffff 270f ffffffffffffffff ffffffffffffffff" + "61" * 8170,
        Winners(U32, 9999, U64, U64, b"a" * 8170),
    ),
    Case("ERROR 1", "24 0001 01", Error(Code.PROTO, "")),
    Case("ERROR 2", "24 0001 02", Error(Code.SIZE, "")),
    Case("ERROR 3", "24 0001 03", Error(Code.STATE, "")),
    Case("ERROR 4", "24 0001 04", Error(Code.AUTH, "")),
    Case("ERROR 5", "24 0001 05", Error(Code.SEQ, "")),
    Case("ERROR 6", "24 0001 06", Error(Code.CONFLICT, "")),
    Case("ERROR 7", "24 0001 07", Error(Code.BATCH, "")),
    Case("ERROR 8", "24 0001 08", Error(Code.FIELD, "")),
    Case("ERROR 9", "24 0001 09", Error(Code.CLOSED, "")),
    Case("ERROR 10", "24 0001 0a", Error(Code.FULL, "")),
    Case("ERROR 11", "24 0001 0b", Error(Code.STORAGE, "")),
    Case("ERROR 12", "24 0001 0c", Error(Code.TOTALS, "")),
    Case("ERROR 13", "24 0001 0d", Error(Code.TIMEOUT, "")),
    Case("ERROR 14", "24 0001 0e", Error(Code.TAKEN, "")),
    Case("ERROR 15", "24 0001 0f", Error(Code.LEFT_OUT, "")),
    Case("ERROR 16", "24 0001 10", Error(Code.STOPPING, "")),
    Case("ERROR 17", "24 0001 11", Error(Code.BUSY, "")),
    Case("ERROR, a sentence", "24 0007 0a 6c6c656e6f21", Error(Code.FULL, "lleno!")),
    Case("ERROR, payload of 8192 bytes", "24 2000 0a" + "61" * 8191, Error(Code.FULL, "a" * 8191)),
)

HELLO = "10 0011 01 00000003 00000000 0000000000000000"

# Whichever dialect the central hears; it does not know which before the first byte.
BAD_TO_CENTRAL = (
    Bad("type 0x00", AT_CENTRAL, "", "00", Code.PROTO, "0x00 begins no frame of classic nor of"),
    Bad("type 0xFE", AT_CENTRAL, "", "fe", Code.PROTO, "0xfe begins no frame"),
    Bad("classic, the central's own 0x02", AT_CENTRAL, "", "02", Code.PROTO, "0x02 begins no"),
    Bad("classic, the central's own 0x03", AT_CENTRAL, "", "03", Code.PROTO, "0x03 begins no"),
    Bad("WELCOME, said by an agency", AT_CENTRAL, "", "20", Code.PROTO, "0x20 begins no frame"),
    Bad("ERROR, said by an agency", AT_CENTRAL, HELLO, "24", Code.PROTO, "0x24 begins no frame"),
    Bad("GET / HTTP/1.1", AT_CENTRAL, "", "47", Code.PROTO, "0x47 begins no frame"),
    Bad("a TLS ClientHello", AT_CENTRAL, "", "16", Code.PROTO, "0x16 begins no frame"),
    Bad("classic behind HELLO", AT_CENTRAL, HELLO, "01", Code.PROTO, "no frame of lottery/1"),
    Bad("classic end behind HELLO", AT_CENTRAL, HELLO, "ff", Code.PROTO, "no frame of lottery/1"),
    Bad("HELLO behind a classic batch", AT_CENTRAL, "01 0000", "10", Code.PROTO, "of classic"),
    Bad("HELLO behind a classic end", AT_CENTRAL, "ff", "10", Code.PROTO, "of classic"),
    Bad("nonsense behind a classic batch", AT_CENTRAL, "01 0001 61", "04", Code.PROTO, "0x04"),
    Bad("classic batch, 8193 bytes", AT_CENTRAL, "", "01 2001", Code.SIZE, "8193 bytes, at most"),
    Bad("classic batch, 65535 bytes", AT_CENTRAL, "", "01 ffff", Code.SIZE, "65535 bytes"),
    Bad("later classic batch too long", AT_CENTRAL, "01 0000", "01 2001", Code.SIZE, "8192 are"),
    Bad("HELLO, 8193 bytes", AT_CENTRAL, "", "10 2001", Code.SIZE, "at most 8192 are taken"),
    Bad("BATCH, 8193 bytes", AT_CENTRAL, HELLO, "11 2001", Code.SIZE, "8193 bytes"),
    Bad("BATCH, 65535 bytes", AT_CENTRAL, HELLO, "11 ffff", Code.SIZE, "65535 bytes"),
    Bad("END, 8193 bytes", AT_CENTRAL, HELLO, "12 2001", Code.SIZE, "8193 bytes"),
    Bad("RECEIVED, 8193 bytes", AT_CENTRAL, HELLO, "13 2001", Code.SIZE, "8193 bytes"),
    Bad("HELLO, empty", AT_CENTRAL, "", "10 0000", Code.PROTO, "0 bytes are no payload of HELLO"),
    Bad("HELLO, version alone", AT_CENTRAL, "", "10 0001 01", Code.PROTO, "1 bytes are no"),
    Bad("HELLO, one byte short", AT_CENTRAL, "", "10 0010 01" + "00" * 15, Code.PROTO, "HELLO"),
    Bad("HELLO, one byte long", AT_CENTRAL, "", "10 0012 01" + "00" * 17, Code.PROTO, "HELLO"),
    Bad("HELLO, version 0", AT_CENTRAL, "", "10 0011 00" + "00" * 16, Code.PROTO, "version 0 is"),
    Bad("HELLO, version 2", AT_CENTRAL, "", "10 0011 02" + "00" * 16, Code.PROTO, "only version 1"),
    Bad("HELLO, version 2, longer", AT_CENTRAL, "", "10 0015 02" + "00" * 20, Code.PROTO, "2 is"),
    Bad("HELLO, version 255, short", AT_CENTRAL, "", "10 0001 ff", Code.PROTO, "version 255 is"),
    Bad("BATCH, empty payload", AT_CENTRAL, HELLO, "11 0000", Code.PROTO, "0 bytes are no"),
    Bad("BATCH, short head", AT_CENTRAL, HELLO, "11 0009" + "00" * 9, Code.PROTO, "of BATCH"),
    Bad("END, empty payload", AT_CENTRAL, HELLO, "12 0000", Code.PROTO, "of END"),
    Bad("END, one byte short", AT_CENTRAL, HELLO, "12 0027" + "00" * 39, Code.PROTO, "of END"),
    Bad("END, one byte long", AT_CENTRAL, HELLO, "12 0029" + "00" * 41, Code.PROTO, "of END"),
    Bad("RECEIVED, short", AT_CENTRAL, HELLO, "13 000b" + "00" * 11, Code.PROTO, "of RECEIVED"),
    Bad("RECEIVED, long", AT_CENTRAL, HELLO, "13 000d" + "00" * 13, Code.PROTO, "of RECEIVED"),
)

WELCOME = "20 0018 00000001 01 00 0000000000000000 00000000 2000 0000003c"

BAD_TO_CLASSIC_AGENCY = (
    Bad("type 0x00", AT_CLASSIC_AGENCY, "", "00", Code.PROTO, "0x00 begins no frame of classic"),
    Bad("a batch, said by the central", AT_CLASSIC_AGENCY, "", "01", Code.PROTO, "0x01 begins"),
    Bad("nonsense behind stored", AT_CLASSIC_AGENCY, "02", "04", Code.PROTO, "0x04 begins"),
    Bad("lottery/1 behind stored", AT_CLASSIC_AGENCY, "02", "20", Code.PROTO, "of classic"),
)

BAD_TO_AGENCY = (
    Bad("type 0x00", AT_AGENCY, "", "00", Code.PROTO, "0x00 begins no frame of lottery/1"),
    Bad("classic refused", AT_AGENCY, "", "ff", Code.PROTO, "0xff begins no frame of lottery/1"),
    Bad("HELLO, said by the central", AT_AGENCY, "", "10", Code.PROTO, "0x10 begins no frame"),
    Bad("ACK, 8193 bytes", AT_AGENCY, WELCOME, "21 2001", Code.SIZE, "8193 bytes, at most 8192"),
    Bad("WINNERS, 8193 bytes", AT_AGENCY, WELCOME, "23 2001", Code.SIZE, "8193 bytes"),
    Bad("WELCOME, empty payload", AT_AGENCY, "", "20 0000", Code.PROTO, "of WELCOME"),
    Bad(
        "WELCOME, one byte short",
        AT_AGENCY,
        "",
        "20 0017 00000001 01 00" + "00" * 17,
        Code.PROTO,
        "23 bytes are no payload of WELCOME",
    ),
    Bad(
        "WELCOME, one byte long",
        AT_AGENCY,
        "",
        "20 0019 00000001 01 00" + "00" * 19,
        Code.PROTO,
        "25 bytes are no payload of WELCOME",
    ),
    Bad(
        "WELCOME, draw state 0",
        AT_AGENCY,
        "",
        "20 0018 00000001 00 00 0000000000000000 00000000 2000 0000003c",
        Code.PROTO,
        "of WELCOME",
    ),
    Bad(
        "WELCOME, draw state 7",
        AT_AGENCY,
        "",
        "20 0018 00000001 07 00 0000000000000000 00000000 2000 0000003c",
        Code.PROTO,
        "of WELCOME",
    ),
    Bad(
        "WELCOME, ended is 2",
        AT_AGENCY,
        "",
        "20 0018 00000001 01 02 0000000000000000 00000000 2000 0000003c",
        Code.PROTO,
        "of WELCOME",
    ),
    Bad("ACK, empty payload", AT_AGENCY, WELCOME, "21 0000", Code.PROTO, "of ACK"),
    Bad("ACK, short", AT_AGENCY, WELCOME, "21 0008" + "00" * 8, Code.PROTO, "of ACK"),
    Bad("ACK, long", AT_AGENCY, WELCOME, "21 000a" + "00" * 10, Code.PROTO, "of ACK"),
    Bad("ACK, ended is 2", AT_AGENCY, WELCOME, "21 0009" + "00" * 8 + "02", Code.PROTO, "of ACK"),
    Bad("REFUSED, empty payload", AT_AGENCY, WELCOME, "22 0000", Code.PROTO, "of REFUSED"),
    Bad(
        "REFUSED, short head",
        AT_AGENCY,
        WELCOME,
        "22 000c 08 00 0000000000000000 0000",
        Code.PROTO,
        "12 bytes are no payload of REFUSED",
    ),
    Bad(
        "REFUSED, code 0",
        AT_AGENCY,
        WELCOME,
        "22 000d 00 00 0000000000000000 0000 00",
        Code.PROTO,
        "of REFUSED",
    ),
    Bad(
        "REFUSED, code 18",
        AT_AGENCY,
        WELCOME,
        "22 000d 12 00 0000000000000000 0000 00",
        Code.PROTO,
        "of REFUSED",
    ),
    Bad(
        "REFUSED, again is 255",
        AT_AGENCY,
        WELCOME,
        "22 000d 08 ff 0000000000000000 0000 00",
        Code.PROTO,
        "of REFUSED",
    ),
    Bad(
        "REFUSED, sentence is not UTF-8",
        AT_AGENCY,
        WELCOME,
        "22 000e 08 00 0000000000000000 0000 00 ff",
        Code.PROTO,
        "14 bytes are no payload",
    ),
    Bad(
        "REFUSED, sentence is cut in a letter",
        AT_AGENCY,
        WELCOME,
        "22 000f 08 00 0000000000000000 0000 00 61c3",
        Code.PROTO,
        "of REFUSED",
    ),
    Bad("WINNERS, empty payload", AT_AGENCY, WELCOME, "23 0000", Code.PROTO, "of WINNERS"),
    Bad(
        "WINNERS, number 10000",
        AT_AGENCY,
        WELCOME,
        "23 0016 00000001 2710 0000000000000000 0000000000000000",
        Code.PROTO,
        "10000 is no winning number, the highest is 9999",
    ),
    Bad("WINNERS, short", AT_AGENCY, WELCOME, "23 0015" + "00" * 21, Code.PROTO, "of WINNERS"),
    Bad("ERROR, empty payload", AT_AGENCY, "", "24 0000", Code.PROTO, "of ERROR"),
    Bad("ERROR, code 0", AT_AGENCY, "", "24 0001 00", Code.PROTO, "of ERROR"),
    Bad("ERROR, code 18", AT_AGENCY, "", "24 0001 12", Code.PROTO, "of ERROR"),
    Bad("ERROR, code 255", AT_AGENCY, WELCOME, "24 0001 ff", Code.PROTO, "of ERROR"),
    Bad("ERROR, sentence is not UTF-8", AT_AGENCY, "", "24 0002 0a 80", Code.PROTO, "of ERROR"),
    Bad("ERROR, a surrogate", AT_AGENCY, "", "24 0004 0a eda080", Code.PROTO, "of ERROR"),
)

CLASSIC = CLASSIC_TO_CENTRAL + CLASSIC_TO_AGENCY
LOTTERY1 = LOTTERY1_TO_CENTRAL + LOTTERY1_TO_AGENCY
BAD = BAD_TO_CENTRAL + BAD_TO_CLASSIC_AGENCY + BAD_TO_AGENCY

#: Every good case with what the end that hears it listens for.
HEARD: tuple[tuple[Case, tuple[Vocabulary, ...]], ...] = (
    *((case, AT_CENTRAL) for case in CLASSIC_TO_CENTRAL + LOTTERY1_TO_CENTRAL),
    *((case, AT_CLASSIC_AGENCY) for case in CLASSIC_TO_AGENCY),
    *((case, AT_AGENCY) for case in LOTTERY1_TO_AGENCY),
)
