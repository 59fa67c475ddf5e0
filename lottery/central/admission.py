"""Who may come in: everybody, or those of a roster, and only as themselves."""

from __future__ import annotations

from collections.abc import Collection

from lottery.central.roster import Agency, Roster
from lottery.errors import Code, RemoteProtocolError


class Admission:
    """Decides who may come in.

    Without a roster everybody may, as whoever they say they are. With one, an agency is who
    its certificate says, so what comes in plain text is nobody.

    :ivar roster: the one in force; another one may take its place at any time.
    :ivar authorities: what tells those that sign the certificates from others, likewise.
    """

    def __init__(
        self,
        roster: Roster | None = None,
        authorities: object = None,
        *,
        allow_classic: bool = False,
    ) -> None:
        """:param allow_classic: let in the classic dialect, which has no identity, all the same."""
        self.roster = roster
        self.authorities = authorities
        self.allow_classic = allow_classic

    @property
    def numbers(self) -> frozenset[int] | None:
        """The agencies that may come; None: all."""
        return frozenset(self.roster.agencies) if self.roster is not None else None

    def places(self, agencies: int) -> int:
        """Say how many places a draw has.

        :param agencies: without a roster, that is it; with one, and classic agencies beside it, so
            many are both together.
        """
        if self.roster is None:
            return agencies
        return max(len(self.roster.agencies), agencies if self.allow_classic else 0)

    def knows(self, agency: int) -> bool:
        """Whether it is on the roster."""
        return self.roster is not None and agency in self.roster.agencies

    def whose(self, marks: Collection[str], authorities: object = None) -> Agency | None:
        """Tell whose certificate it is; None if nobody is looked for.

        :param authorities: those in force when its handshake began.
        :raises RemoteProtocolError: AUTH, if it is not that of one agency, or if others sign the
            certificates now: whoever has shaken hands before has to do so again.
        """
        if self.roster is None:
            return None
        if authorities != self.authorities:
            raise RemoteProtocolError(Code.AUTH, "another authority signs the certificates now")
        return self.roster.whose(marks)

    def check_hello(self, agency: int, certified: Agency | None) -> None:
        """Hold who an agency says it is against its certificate.

        :raises RemoteProtocolError: AUTH.
        """
        if self.roster is None:
            return
        if certified is None:
            raise RemoteProtocolError(
                Code.AUTH, f"it says agency {agency}, and has no certificate: agencies use TLS here"
            )
        if agency != certified.number:
            raise RemoteProtocolError(
                Code.AUTH,
                f"it says agency {agency}, its certificate is that of agency {certified.number}",
            )

    def check_classic(self) -> None:
        """Let the classic dialect in, or not.

        :raises RemoteProtocolError: AUTH.
        """
        if self.roster is not None and not self.allow_classic:
            raise RemoteProtocolError(Code.AUTH, "the classic dialect has no identity")
