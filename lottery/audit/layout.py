"""A segment to the byte.

A record is a header of 40 bytes and a body below 13,000:

======  =====  =================================================================
offset  bytes  what (integers are big-endian and unsigned)
======  =====  =================================================================
0       4      ``LCS1``
4       1      kind: 1 ROWS, 2 END, 3 HEAD, 4 CLOSE
5       1      dialect: 0 lottery/1, 1 classic; in HEAD and CLOSE 0
6       2      zero
8       4      agency; in HEAD and CLOSE 0
12      8      index of the first bet; END: total; HEAD: draw; CLOSE: 0
20      4      bets; HEAD: number of the segment; END and CLOSE: 0
24      4      length of the body
28      8      flushed
36      4      CRC-32 of the 36 bytes before it and of the body
======  =====  =================================================================

The first record is a HEAD and the last one of a writer that ended well a CLOSE; neither has a
body.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

MAGIC: Final = b"LCS1"

ROWS: Final = 1
END: Final = 2
HEAD: Final = 3
CLOSE: Final = 4

HEADER: Final = Struct(">4sBBHIQIIQI")
HEADER_BYTES: Final = 40
#: A body stays below this.
BODY_LIMIT: Final = 128 << 10
#: The body of an END; none in the classic dialect.
NONCE_BYTES: Final = 32
