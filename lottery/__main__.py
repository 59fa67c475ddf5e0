"""``python -m lottery`` is the ``lottery`` program."""

from __future__ import annotations

import sys

from lottery.command import main

if __name__ == "__main__":
    sys.exit(main())
