"""The ledger in PostgreSQL, for several centrals at once; needs the extra ``postgres``.

``schema`` has the tables, ``connection`` what an error of the database means, ``store`` what a
writer child does there, ``draw`` and ``database`` the ledger's face for the central.
"""
