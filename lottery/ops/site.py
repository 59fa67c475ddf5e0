"""The status page's web site: what is served where, and what no request may do.

Nothing can be changed by any request: there is GET and HEAD, and no body is read. Nobody else's
page may look in: the name that is asked for must be an address, ``localhost`` or a known one, or a
name of an attacker's that leads here could (DNS rebinding); what is served may run no script but
its own, load nothing from elsewhere, and stand in nobody's frame.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib.resources import files
from ipaddress import ip_address
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.web.http import NOT_ALLOWED, NOT_FOUND
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

#: RFC 9110 15.5.20; not all versions of Twisted have a name for it.
MISDIRECTED_REQUEST: Final = 421
#: For a request to come, and for a connection without one.
IDLE_SECONDS: Final = 30

_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
_HEADERS: Final = {
    b"content-security-policy": b"default-src 'none'; script-src 'self'; style-src 'self'; "
    b"connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cache-control": b"no-store",
}


def page_files() -> dict[str, bytes]:
    """Give the files of the page by their names."""
    page = files("lottery.ops") / "page"
    return {
        each.name: each.read_bytes() for each in page.iterdir() if each.name.endswith(tuple(_KINDS))
    }


class StatusRequest(Request):
    """A request that can only look, and says whom it takes us for."""

    def gotLength(self, length: int | None) -> None:  # noqa: ARG002 (it does not matter)
        """Keep no body, however long it says that it will be."""
        super().gotLength(0)  # type: ignore[no-untyped-call]

    def handleContentChunk(self, data: bytes) -> None:  # noqa: ARG002
        """Part at once with who sends a body: nothing here takes one."""
        transport: Any = self.channel.transport
        transport.abortConnection()

    def process(self) -> None:
        """Answer, if it may be asked."""
        for name, value in _HEADERS.items():
            self.setHeader(name, value)  # type: ignore[no-untyped-call]
        if self.method not in (b"GET", b"HEAD"):
            self.setHeader(b"allow", b"GET, HEAD")  # type: ignore[no-untyped-call]
            say(self, NOT_ALLOWED, "there is only GET and HEAD")
        elif not self._is_for_us():
            say(self, MISDIRECTED_REQUEST, "this name is none of ours, --status-host adds it")
        else:
            super().process()  # type: ignore[no-untyped-call]

    def _is_for_us(self) -> bool:
        hosts = self.requestHeaders.getRawHeaders(b"host", [])
        channel: Any = self.channel
        return len(hosts) == 1 and is_our_name(hosts[0], channel.site.names)


def is_our_name(host: bytes, names: Collection[str]) -> bool:
    """Whether a Host header names an address, ``localhost`` or one of these names, with any port.

    An address is always right: to ask for one, a browser needs nobody's name server.
    """
    text = host.decode("latin-1").lower()
    name, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        name = text
    if name in ("localhost", *names):
        return True
    bracketed = name.startswith("[") and name.endswith("]")
    try:
        return ip_address(name[1:-1] if bracketed else name).version == (6 if bracketed else 4)
    except ValueError:
        return False


def say(request: Request, code: int, sentence: str) -> None:
    """Answer with a code and a sentence."""
    request.setResponseCode(code)
    request.setHeader(b"content-type", b"text/plain; charset=utf-8")
    text = f"{sentence}\n".encode()
    request.setHeader(b"content-length", b"%d" % len(text))
    if request.method != b"HEAD":
        request.write(text)
    request.finish()


class Sentence(Resource):
    """A resource that is a sentence, and whether it is well."""

    isLeaf = True

    def __init__(self, ask: Callable[[], tuple[int, str]]) -> None:
        """:param ask: gives the code and the sentence."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._ask = ask

    def render_GET(self, request: Request) -> bytes:
        """Answer with what is the case now."""
        code, sentence = self._ask()
        request.setResponseCode(code)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return f"{sentence}\n".encode()


class NothingHere(Sentence):
    """Whatever is not there."""

    def __init__(self) -> None:
        super().__init__(lambda: (NOT_FOUND, "there is nothing here"))


class Folder(Resource):
    """A place with what was put there, and nothing else; itself it is nothing, either."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def getChild(self, path: bytes, request: Request) -> Resource:  # noqa: ARG002
        """Give nothing: what is there is found without asking."""
        return NothingHere()

    def render_GET(self, request: Request) -> bytes | int:
        """Say that it is nothing."""
        return NothingHere().render_GET(request)


class PageFile(Folder):
    """A file of the page, whole and as it is."""

    def __init__(self, content: bytes, kind: str) -> None:
        super().__init__()
        self._content = content
        self._kind = kind.encode()

    def render_GET(self, request: Request) -> bytes:
        """Give it."""
        request.setHeader(b"content-type", self._kind)
        return self._content


class StatusSite(Site):
    """The site.

    :ivar names: by which it may be asked for, beside addresses and ``localhost``.
    """

    requestFactory = StatusRequest
    displayTracebacks = False
    noisy = False

    def __init__(self, names: Collection[str], reactor: IReactorTime) -> None:
        self.names = frozenset(name.lower() for name in names)
        self.root = Folder()
        super().__init__(self.root, timeout=IDLE_SECONDS, reactor=reactor)  # type: ignore[no-untyped-call]
        for name, content in page_files().items():
            kind = _KINDS[name[name.rindex(".") :]]
            self.root.putChild(
                b"" if name == "index.html" else name.encode(), PageFile(content, kind)
            )

    def log(self, request: object) -> None:
        """Write no line for each request: it is of no interest to anybody."""
