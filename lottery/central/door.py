"""Where the central listens: its listeners, and whether everybody can reach them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address

from attrs import frozen
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, DeferredLock, gatherResults
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from lottery.central.admission import Admission
from lottery.errors import SettingsError, StartError
from lottery.ledger.longwork import Interrupted
from lottery.ops.log import ActionLog
from lottery.writer.disk import DiskWork

#: Makes a factory of connections that are read as they come, of one of sessions.
Over = Callable[[IProtocolFactory], IProtocolFactory]
#: Reads in any thread, and gives what puts in force what was read; raises SettingsError.
ReadAgain = Callable[[], Callable[[], None]]


def _as_it_is(sessions: IProtocolFactory) -> IProtocolFactory:
    return sessions


@frozen
class Listener:
    """A place to listen at.

    :ivar over: what goes between the connections and their sessions: TLS, or nothing; what is
        not for sessions at all has a factory of its own.
    :ivar only_shows: whether it is for those who look, and for no agency: then its endpoint
        alone says from where it may be reached.
    """

    endpoint: IStreamServerEndpoint
    over: Over = _as_it_is
    only_shows: bool = False


class Door:
    """Where one comes in.

    :ivar admission: who may.
    :ivar read_again: reads again who may; None: there is nothing to be read.
    :ivar ports: where it is open.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        admission: Admission,
        read_again: ReadAgain | None = None,
        *,
        insecure: bool = False,
    ) -> None:
        """:param insecure: be open to everybody who reaches it, if there is no roster."""
        self.admission = admission
        self.read_again = read_again
        self.ports: list[IListeningPort] = []
        self._listeners = listeners
        self._insecure = insecure
        self._reloading = DeferredLock()

    def open(self, sessions: IProtocolFactory, log: ActionLog) -> None:
        """Listen, before the reactor turns again; who cannot listen everywhere fails.

        What is listened at is asked of the ports themselves: an endpoint may be a name, or a socket
        that somebody else has opened. Nobody is accepted before this returns.

        :raises StartError: if it cannot, or may not; some ports may be open then.
        """
        failures: list[Failure] = []
        for listener in self._listeners:
            listening = listener.endpoint.listen(listener.over(sessions))
            listening.addCallbacks(self.ports.append, failures.append)
        if failures:
            why = failures[0]
            raise StartError(f"cannot listen, {why.getErrorMessage()}") from why.value
        where = [_host_and_port(port) for port in self.ports]
        opened = list(zip(self._listeners, self.ports, where, strict=True))
        for listener, port, (host, number) in opened:
            anybody = listener.only_shows or self._insecure or self.admission.roster is not None
            if not anybody and is_beyond_host(port.getHost()):
                raise StartError(
                    f"{host} port {number} is open to whoever reaches it, "
                    "and without --roster that takes --insecure"
                )
        for listener, port, (host, number) in opened:
            if listener.only_shows:
                level = LogLevel.warn if is_beyond_host(port.getHost()) else LogLevel.info
                log("status", "in_progress", level, ip=host, port=number)
            else:
                log("accept_connections", "in_progress", ip=host, port=number)

    async def reload(self, disk: DiskWork, log: ActionLog) -> bool:
        """Read again who may come in; all of it, or nothing is changed. Never fails.

        :returns: whether something new is in force.
        """
        if self.read_again is None:
            log("reload", "success", roster="none")
            return False
        await self._reloading.acquire()  # or what was read first could be in force last
        try:
            put_in_force = await disk.do("reload", self.read_again)
        except Interrupted:
            return False
        except (SettingsError, OSError) as error:
            log("reload", "fail", LogLevel.error, error=str(error))
            return False
        finally:
            self._reloading.release()
        if disk.stopped:
            return False
        put_in_force()
        log("reload", "success", roster=len(self.admission.numbers or ()))
        return True

    def close(self) -> Deferred[None]:
        """Listen no more; fires when all ports are closed."""
        closing = gatherResults([_stop_listening(port) for port in self.ports])
        return closing.addCallback(lambda _: None)


def is_beyond_host(address: IAddress) -> bool:
    """Whether somebody on another host may reach an address that is listened at."""
    if not isinstance(address, IPv4Address | IPv6Address):
        return False
    found = ip_address(address.host.partition("%")[0])
    return not (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _host_and_port(port: IListeningPort) -> tuple[object, int]:
    """Where something listens, for people; a UNIX socket has no port: 0."""
    address = port.getHost()
    return getattr(address, "host", address), getattr(address, "port", 0)


def _stop_listening(port: IListeningPort) -> Deferred[None]:
    stopped: Deferred[None] = Deferred()
    ending = port.stopListening()
    if ending is None:
        stopped.callback(None)
    else:
        ending.addBoth(lambda _: stopped.callback(None))
    return stopped
