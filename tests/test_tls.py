"""``lottery.tls``: which certificates and keys are taken, and what is said of the others."""

from __future__ import annotations

import os
from base64 import encodebytes
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from OpenSSL.crypto import X509

from lottery.errors import SettingsError
from lottery.settings import TlsFiles
from lottery.tls import LARGEST_FILE_BYTES, flaw_of, read_credentials, words_of

# OpenSSL is handed what newer versions of pyOpenSSL would rather have in another form.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
END: Final = datetime(2027, 1, 1, 12, tzinfo=UTC)
NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)

#: Every kind of key, those that are taken and those that are not.
KEYS: Final[dict[str, Callable[[], Any]]] = {
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ec-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ec-224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-1024": lambda: rsa.generate_private_key(65537, 1024),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
    "dsa": lambda: dsa.generate_private_key(1024),
}
NO_BASICS: Final = None


@cache
def key_of(kind: str, number: int) -> Any:
    """A key of a kind, the same one for the same number."""
    return KEYS[kind]()


def certificate(
    kind: str = "ec", *, by: str | None = None, authority: bool | None = False, number: int = 0
) -> bytes:
    """A certificate, in PEM, from BEGIN to END.

    :param by: the kind of key that signs it; its own if None.
    :param authority: what its basic constraints say; None: there are none.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{kind} {number}")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key_of(kind, number).public_key())
        .serial_number(1)
        .not_valid_before(BEGIN)
        .not_valid_after(END)
    )
    if authority is not NO_BASICS:
        basics = x509.BasicConstraints(ca=authority, path_length=None)
        builder = builder.add_extension(basics, critical=True)
    signer = by or kind
    digest = None if signer.startswith("ed") else hashes.SHA256()
    made = builder.sign(key_of(signer, number if by is None else 0), digest)
    return made.public_bytes(serialization.Encoding.PEM)


def secret(kind: str = "ec", *, password: bytes = b"", traditional: bool = False) -> bytes:
    """A key, in PEM, encrypted if there is a password."""
    form = serialization.PrivateFormat
    return key_of(kind, 0).private_bytes(
        serialization.Encoding.PEM,
        form.TraditionalOpenSSL if traditional else form.PKCS8,
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption(),
    )


def name_of(shown: X509) -> str:
    """Whose certificate it is."""
    return shown.to_cryptography().subject.rfc4514_string()


AUTHORITY: Final = {"authority": True, "number": 9}


class Files:
    """The three files, good ones at first."""

    def __init__(self, directory: Path) -> None:
        self.cert, self.key, self.ca = (directory / name for name in ("a.crt", "a.key", "ca.crt"))
        self.cert.write_bytes(certificate())
        self.key.write_bytes(secret())
        self.key.chmod(0o600)
        self.ca.write_bytes(certificate(**AUTHORITY))

    def read(self, now: datetime = NOW) -> Any:
        """Read them."""
        return read_credentials(TlsFiles(self.cert, self.key, self.ca), now)

    def sentence(self, now: datetime = NOW) -> str:
        """Fail to read them; gives what is said of that, in one line."""
        with pytest.raises(SettingsError) as raised:
            self.read(now)
        said = str(raised.value)
        assert said.isprintable()
        return said


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Good files."""
    return Files(tmp_path)


# What is taken.


@pytest.mark.parametrize("kind", ["ec", "ec-521", "rsa", "ed25519"])
def test_keys_that_are_taken(files: Files, kind: str) -> None:
    """OpenSSL takes what is read, too."""
    files.cert.write_bytes(certificate(kind))
    files.key.write_bytes(secret(kind))
    credentials = files.read()
    context = SSL.Context(SSL.TLS_METHOD)
    context.use_certificate(credentials.certificate)
    context.use_privatekey(credentials.key)
    context.check_privatekey()


def test_what_is_told_of_it(files: Files) -> None:
    """Whose it is, and how long it is good."""
    credentials = files.read()
    assert credentials.subject == "CN=ec 0"
    assert credentials.valid_until == END
    assert credentials.chain == ()
    assert len(credentials.authorities) == 1


def test_chain_and_authorities(files: Files) -> None:
    """Our certificate comes first, then what leads to its authority; there may be more of these."""
    files.cert.write_bytes(certificate() + certificate(**AUTHORITY))
    files.ca.write_bytes(certificate(**AUTHORITY) + certificate(authority=True, number=8))
    credentials = files.read()
    ours = (credentials.certificate, *credentials.chain)
    assert [name_of(each) for each in ours] == ["CN=ec 0", "CN=ec 9"]
    assert [name_of(each) for each in credentials.authorities] == ["CN=ec 9", "CN=ec 8"]


@pytest.mark.parametrize(
    "written",
    [
        lambda: b"Some words: about it\n\n" + secret(),
        lambda: secret(traditional=True),
        lambda: (
            b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
            + secret(traditional=True)
        ),
        lambda: certificate() + secret(),
        lambda: secret().replace(b"\n", b"\r\n"),
    ],
    ids=["words", "traditional", "parameters", "certificate", "CRLF"],
)
def test_forms_of_keys(files: Files, written: Callable[[], bytes]) -> None:
    """What programs write into the same file is no harm."""
    files.key.write_bytes(written())
    files.read()


def test_key_through_a_link(files: Files) -> None:
    """It is the file that counts, not the way to it."""
    real = files.key.rename(files.key.with_name("real.key"))
    files.key.symlink_to(real)
    files.read()
    real.chmod(0o640)
    assert "chmod 600" in files.sentence()


@pytest.mark.parametrize("now", [BEGIN, END])
def test_last_good_moments(files: Files, now: datetime) -> None:
    """The first and the last one count."""
    files.read(now)


# What is not.


def test_too_early(files: Files) -> None:
    """The sentence has the moment."""
    expected = f"{files.cert}: the certificate is not valid before 2026-01-01 00:00:00 UTC"
    assert files.sentence(BEGIN - SECOND) == expected


def test_too_late(files: Files) -> None:
    """The sentence has the moment."""
    expected = f"{files.cert}: the certificate has expired at 2027-01-01 12:00:00 UTC"
    assert files.sentence(END + SECOND) == expected


@pytest.mark.parametrize("which", ["cert", "key", "ca"])
@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("missing", "can not be read, No such file or directory"),
        ("directory", "can not be read, Is a directory"),
        ("pipe", "is no regular file"),
        ("loop", "can not be read, Too many levels of symbolic links"),
        ("long", f"longer than {LARGEST_FILE_BYTES} bytes, not certificates or a key"),
    ],
)
def test_files_that_are_none(files: Files, which: str, case: str, sentence: str) -> None:
    """Nothing is waited for, and not more is read than a file of this kind can have."""
    path: Path = getattr(files, which)
    path.unlink()
    match case:
        case "directory":
            path.mkdir(0o700)
        case "pipe":
            os.mkfifo(path, 0o600)
        case "loop":
            path.symlink_to(path.name)
        case "long":
            path.touch(0o600)
            os.truncate(path, LARGEST_FILE_BYTES + 1)
    assert files.sentence() == f"{path}: {sentence}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable(files: Files) -> None:
    """What may not be read is named."""
    files.cert.chmod(0)
    assert files.sentence() == f"{files.cert}: can not be read, Permission denied"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o777])
def test_key_that_others_can_read(files: Files, mode: int) -> None:
    """Or write, or run: one bit is too many."""
    files.key.chmod(mode)
    expected = f"{files.key}: others can read the key, chmod 600 keeps them from it"
    assert files.sentence() == expected


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_key_that_is_ours(files: Files, mode: int) -> None:
    """What the owner may do is of no interest."""
    files.key.chmod(mode)
    files.read()


def test_name_that_moves_the_cursor(files: Files) -> None:
    """A file's name is shown so that it cannot."""
    files.cert = files.cert.with_name("a\x1b[2J.crt")
    assert r"\x1b[2J.crt'" in files.sentence()


BROKEN: Final = b"-----BEGIN %s-----\nYWJj\n-----END %s-----\n"


@pytest.mark.parametrize(
    ("which", "data", "sentence"),
    [
        ("cert", b"", "no certificate stands there in PEM"),
        ("cert", b"\x30\x82\xff\x00", "no certificate stands there in PEM"),
        ("cert", secret(), "no certificate stands there in PEM"),
        ("cert", certificate()[:-40], "a certificate there cannot be read"),
        ("cert", certificate() + certificate()[:100], "a certificate there is cut off"),
        ("cert", BROKEN.replace(b"%s", b"CERTIFICATE"), "a certificate there cannot be read"),
        ("key", b"", "no private key stands there in PEM"),
        ("key", certificate(), "no private key stands there in PEM"),
        ("key", secret()[:-40], "the private key there cannot be read"),
        ("key", BROKEN.replace(b"%s", b"PRIVATE KEY"), "the private key there cannot be read"),
        ("key", secret(password=b"1234"), "the key is encrypted, and nobody is there to unlock it"),
        (
            "key",
            secret("rsa", password=b"1234", traditional=True),
            "the key is encrypted, and nobody is there to unlock it",
        ),
        ("key", secret("rsa-1024"), "has a key of 1024 bits, RSA needs at least 2048"),
        ("key", secret("ec-224"), "has a key of 224 bits, EC needs at least 256"),
        ("key", secret("dsa"), "a key of this kind is not taken, RSA, EC and Ed25519 are"),
        ("key", secret("ed448"), "a key of this kind is not taken, RSA, EC and Ed25519 are"),
        (
            "cert",
            certificate("rsa-1024"),
            "the certificate has a key of 1024 bits, RSA needs at least 2048",
        ),
        (
            "cert",
            certificate() + certificate("ec-224"),
            "certificate 2 has a key of 224 bits, EC needs at least 256",
        ),
        (
            "cert",
            certificate("ed448"),
            "the certificate has a key of a kind that is not taken, RSA, EC and Ed25519 are",
        ),
        ("ca", b"", "no certificate stands there in PEM"),
        ("ca", certificate(), "the certificate is not one of an authority"),
        ("ca", certificate(authority=NO_BASICS), "the certificate is not one of an authority"),
        (
            "ca",
            certificate(**AUTHORITY) + certificate(),
            "certificate 2 is not one of an authority",
        ),
        (
            "ca",
            certificate("rsa-1024", authority=True),
            "the certificate has a key of 1024 bits, RSA needs at least 2048",
        ),
    ],
)
def test_bad_content(files: Files, which: str, data: bytes, sentence: str) -> None:
    """The sentence names the file, and what is wrong with it."""
    path: Path = getattr(files, which)
    path.write_bytes(data)
    assert files.sentence() == f"{path}: {sentence}"


@pytest.mark.parametrize("kind", ["ec-521", "rsa", "ed25519"])
def test_key_of_another_certificate(files: Files, kind: str) -> None:
    """Whatever kind it is of."""
    files.key.write_bytes(secret(kind))
    expected = f"{files.key}: is not the key of the certificate in {files.cert}"
    assert files.sentence() == expected


def test_certificate_of_no_version(files: Files) -> None:
    """What no program should have made is not read."""
    made = x509.load_pem_x509_certificate(certificate(authority=True))
    der = made.public_bytes(serialization.Encoding.DER)
    version_3, version_8 = b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07"
    assert version_3 in der
    body = encodebytes(der.replace(version_3, version_8, 1))
    files.ca.write_bytes(b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n")
    assert files.sentence() == f"{files.ca}: a certificate there cannot be read"


# What is said of the other end's.


@pytest.mark.parametrize(
    ("number", "depth", "sentence"),
    [
        (10, 0, "its certificate has expired"),
        (10, 1, "the authority of its certificate has expired"),
        (9, 0, "its certificate is not valid yet"),
        (18, 0, "its certificate is signed by itself"),
        (19, 1, "its certificate is signed by an authority that is not known"),
        (20, 0, "its certificate is signed by an authority that is not known"),
        (79, 2, "the authority of its certificate may not sign others"),
        (26, 0, "its certificate is not made for this end of a connection"),
        (4711, 0, "its certificate does not check out, error 4711 of OpenSSL"),
    ],
)
def test_flaws(number: int, depth: int, sentence: str) -> None:
    """OpenSSL's numbers become words."""
    assert flaw_of(number, depth, "its") == sentence


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (([("SSL routines", "", "certificate verify failed")],), "certificate verify failed"),
        (([("a", "b", "first"), ("SSL routines", "f", "the  last\n")],), "the last"),
        (([("a", "b", "first"), ("a", "b", "")],), "first"),
        (([],), ""),
        ((), ""),
        ((-1, "Unexpected EOF"), ""),
        (("words",), ""),
    ],
)
def test_words(args: tuple[object, ...], words: str) -> None:
    """Nothing of the form of OpenSSL's errors is left."""
    assert words_of(SSL.Error(*args)) == words


def test_no_error_has_no_words() -> None:
    """As Twisted may hand on none."""
    assert words_of(None) == ""
