"""The frame of both dialects, and runs of frames that are passed on unseen.

Every frame is a type byte, a length (u16, big-endian) and a payload. A writer child imports
this module: nothing slow is imported here.
"""

from __future__ import annotations

HEADER_BYTES = 3
#: The type bytes of a batch.
CLASSIC_BATCH, LOTTERY1_BATCH = 0x01, 0x11
#: What the central takes in one frame; the original's agencies never exceed it.
PAYLOAD_LIMIT = 8192
#: No frame of a run begins behind so many of its bytes.
RUN_BYTES = 64 << 10


def frame(kind: int, payload: bytes) -> bytes:
    """Put the header before a payload of at most 65,535 bytes."""
    return bytes((kind,)) + len(payload).to_bytes(2, "big") + payload


def bets_of(frames: bytes) -> list[int]:
    """Give how many bets each of these batches announces, or, if it is classic, seems to hold."""
    if frames[0] == LOTTERY1_BATCH:
        return [int.from_bytes(each[8:10], "big") for each in payloads_of(frames)]
    return [-(-each.count(b",") // 5) for each in payloads_of(frames)]


def payloads_of(frames: bytes) -> list[bytes]:
    """Give the payloads of whole frames that follow each other."""
    payloads, place, size = [], 0, len(frames)
    while place < size:
        body = place + HEADER_BYTES
        place = body + (frames[place + 1] << 8 | frames[place + 2])
        payloads.append(frames[body:place])
    return payloads
