"""Certificates and keys, from their PEM files: what an end of a TLS connection shows and trusts.

Imported only where TLS is asked for: it needs packages that are an extra. Each file is read once,
and nobody is ever asked for a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey as EcKey
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey as EcPublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey as Ed25519Key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey as RsaKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey as RsaPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from OpenSSL import SSL
from OpenSSL.crypto import X509, PKey
from twisted.internet.ssl import Certificate as TrustedCertificate
from twisted.internet.ssl import CertificateOptions, TLSVersion, trustRootFromCertificates

from lottery.errors import SettingsError
from lottery.settings import TlsFiles
from lottery.settings_files import read_regular, shown

LARGEST_FILE_BYTES = 1 << 20
_OTHER = "not certificates or a key"
LEAST_RSA_BITS = 2048
LEAST_EC_BITS = 256

#: How a certificate that is none may show itself.
_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)

#: OpenSSL's numbers of what may be wrong with a certificate (openssl-verify, X509_V_ERR_*).
_FLAWS: Mapping[int, str] = {
    7: "bears a signature that is not of its authority",
    9: "is not valid yet",
    10: "has expired",
    18: "is signed by itself",
    23: "is revoked",
    25: "is signed by an authority that may not sign it",
    26: "is not made for this end of a connection",
    66: "has a key that is too weak",
    67: "has a key that is too weak",
    68: "is signed with a digest that is too weak",
    79: "may not sign others",
}
#: Of these, the depth says only how far OpenSSL got.
_UNKNOWN_AUTHORITY = frozenset({2, 19, 20, 21})


@frozen
class Credentials:
    """Who we are to the other end, and whom we believe; as OpenSSL takes it.

    :ivar key: of ``certificate``.
    :ivar chain: what leads from the certificate to its authority, perhaps nothing.
    :ivar authorities: who signs the certificates of the other end, at least one.
    """

    key: PKey
    certificate: X509
    chain: tuple[X509, ...]
    authorities: tuple[X509, ...]

    @property
    def authorities_known_as(self) -> frozenset[bytes]:
        """What tells the authorities from others: the SHA-256 of each."""
        return frozenset(each.to_cryptography().fingerprint(SHA256()) for each in self.authorities)

    @property
    def subject(self) -> str:
        """Whose certificate it is, for people: ``CN=agency 1``."""
        return self.certificate.to_cryptography().subject.rfc4514_string()

    @property
    def valid_until(self) -> datetime:
        """The last moment of the certificate, UTC."""
        return self.certificate.to_cryptography().not_valid_after_utc


def read_credentials(files: TlsFiles, now: datetime) -> Credentials:
    """Read all three files, or fail.

    Keys are RSA of at least 2048 bits, EC of at least 256 bits, or Ed25519.

    :param now: with a zone; the certificate has to be valid then.
    :raises SettingsError: naming file and cause.
    """
    own = _certificates(files.cert)
    key = _private_key(files.key)
    if _spki(own[0].public_key()) != _spki(key.public_key()):
        raise _refused(files.key, f"is not the key of the certificate in {shown(str(files.cert))}")
    _check_time(files.cert, own[0], now)
    authorities = _certificates(files.ca)
    for place, each in enumerate(authorities, 1):
        if not _is_authority(each):
            raise _refused(files.ca, f"{_which(place, authorities)} is not one of an authority")
    return Credentials(
        PKey.from_cryptography_key(key),
        X509.from_cryptography(own[0]),
        tuple(map(X509.from_cryptography, own[1:])),
        tuple(map(X509.from_cryptography, authorities)),
    )


def context_of(credentials: Credentials) -> SSL.Context:
    """Make what handshakes of either end need: TLS 1.2 or 1.3, and whom to believe.

    :raises SettingsError: if OpenSSL does not take the credentials.
    """
    authorities = [TrustedCertificate(each) for each in credentials.authorities]
    options = CertificateOptions(
        privateKey=credentials.key,
        certificate=credentials.certificate,
        extraCertChain=list(credentials.chain),
        trustRoot=trustRootFromCertificates(authorities),
        raiseMinimumTo=TLSVersion.TLSv1_2,
    )
    try:
        return options.getContext()
    except SSL.Error as error:
        words = words_of(error)
        raise SettingsError(f"TLS cannot use the certificate or key, {words}") from None


def flaw_of(number: int, depth: int, whose: str) -> str:
    """Say what is wrong with a certificate of the other end.

    :param number: OpenSSL's, of the error.
    :param depth: 0 for the certificate, more for those of its authorities.
    :param whose: certificate it is: "its", "the central's".
    """
    if number in _UNKNOWN_AUTHORITY:
        return f"{whose} certificate is signed by an authority that is not known"
    what = f"{whose} certificate" if depth == 0 else f"the authority of {whose} certificate"
    return f"{what} {_FLAWS.get(number, f'does not check out, error {number} of OpenSSL')}"


def words_of(error: BaseException | None) -> str:
    """What OpenSSL says of an error, without its numbers and functions; empty if it says nothing.

    Only the last words, which are the ones nearest to the cause.
    """
    args = getattr(error, "args", ())
    entries = args[0] if args and isinstance(args[0], list) else []
    words = [str(entry[-1]) for entry in entries if entry and entry[-1]]
    return re.sub(r"\s+", " ", words[-1]).strip() if words else ""


def _certificates(path: Path) -> list[x509.Certificate]:
    """Read the certificates of a file, at least one; their keys are strong enough."""
    data = read_regular(path, LARGEST_FILE_BYTES, _OTHER)
    count = data.count(b"-----BEGIN CERTIFICATE-----")
    if not count:
        raise _refused(path, "no certificate stands there in PEM")
    try:
        found = x509.load_pem_x509_certificates(data)
        # What is parsed only when it is asked for is asked for here, where it may fail.
        parts = [(each.public_key(), each.extensions, each.subject) for each in found]
    except _UNREADABLE:
        raise _refused(path, "a certificate there cannot be read") from None
    if len(found) != count:
        raise _refused(path, "a certificate there is cut off")
    for place, (public_key, _, _) in enumerate(parts, 1):
        if weakness := _weakness(public_key):
            raise _refused(path, f"{_which(place, found)} has a key of {weakness}")
    return found


def _private_key(path: Path) -> RsaKey | EcKey | Ed25519Key:
    """Read the private key of a file that nobody else can read."""
    data = read_regular(path, LARGEST_FILE_BYTES, _OTHER, secret=True)
    if b"PRIVATE KEY-----" not in data:
        raise _refused(path, "no private key stands there in PEM")
    try:
        key = load_pem_private_key(data, None)
    except TypeError:  # how a password is asked for
        raise _refused(path, "the key is encrypted, and nobody is there to unlock it") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _refused(path, "the private key there cannot be read") from None
    if not isinstance(key, RsaKey | EcKey | Ed25519Key):
        raise _refused(path, "a key of this kind is not taken, RSA, EC and Ed25519 are")
    if weakness := _weakness(key.public_key()):
        raise _refused(path, f"has a key of {weakness}")
    return key


def _weakness(public_key: object) -> str:
    """What is wrong with a key; empty if nothing is."""
    match public_key:
        case RsaPublicKey() if public_key.key_size < LEAST_RSA_BITS:
            return f"{public_key.key_size} bits, RSA needs at least {LEAST_RSA_BITS}"
        case EcPublicKey() if public_key.curve.key_size < LEAST_EC_BITS:
            return f"{public_key.curve.key_size} bits, EC needs at least {LEAST_EC_BITS}"
        case RsaPublicKey() | EcPublicKey() | Ed25519PublicKey():
            return ""
        case _:
            return "a kind that is not taken, RSA, EC and Ed25519 are"


def _is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign others; without a word about that it may not."""
    try:
        basics = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return basics.value.ca


def _check_time(path: Path, certificate: x509.Certificate, now: datetime) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        raise _refused(path, f"the certificate is not valid before {_moment(begin)}")
    if now > end:
        raise _refused(path, f"the certificate has expired at {_moment(end)}")


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _spki(public_key: object) -> bytes:
    """A public key as bytes that can be compared."""
    assert isinstance(public_key, RsaPublicKey | EcPublicKey | Ed25519PublicKey)
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _refused(path: Path, cause: str) -> SettingsError:
    return SettingsError(f"{shown(str(path))}: {cause}")


def _which(place: int, certificates: list[x509.Certificate]) -> str:
    return "the certificate" if len(certificates) == 1 else f"certificate {place}"
