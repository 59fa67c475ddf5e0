"""The ledger in PostgreSQL, for several centrals at once; needs the extra ``postgres``.

``schema`` has the tables, ``connection`` what an error of the database means, ``store`` what a
writer child does there, ``draw`` and ``database`` the ledger's face for the central.
"""

from __future__ import annotations

from typing import Final

#: What to say where psycopg is not installed; nothing else here can be imported then.
NOT_INSTALLED: Final = (
    "a ledger in PostgreSQL needs one more package: pip install 'lottery-central[postgres]'"
)
