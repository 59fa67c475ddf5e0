"""How many connections fit the files that this process may have open.

Every connection is a file, and so is every pipe to a writer and every segment that is
read at the seal. Whoever connects must not be able to take the files that a draw needs.
"""

from __future__ import annotations

import resource

#: More would only make the kernel's tables larger than anybody needs.
_MOST_FILES = 1 << 16
#: Standard streams, the reactor's own, the lock, what listens, bets.csv, directories.
_OWN_FILES = 32
#: Four pipes and a segment each, for two draws that overlap.
_FILES_FOR_A_WRITER = 10


def connections_limit(writers: int) -> int:
    """Raise the limit of open files as far as we may, and say how many may be connections.

    :param writers: how many writers a draw may have.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(most - _OWN_FILES - _FILES_FOR_A_WRITER * writers, 1)
