"""Certificates for tests: an authority, a central, agencies, and some that are no good.

The authority is one of trustme's; what trustme does not make wrong on purpose is made here.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW: Final = datetime.now(UTC)
DAY: Final = timedelta(days=1)


def uri_of(agency: int) -> str:
    """The name that an agency's certificate is made out for."""
    return f"urn:lottery:agency:{agency}"


class Authority:
    """An authority, and the files of what it signs.

    :ivar ca: its own certificate.
    """

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._directory = directory
        self._ca = trustme.CA(organization_name=name)
        self.ca = directory / f"{name}.crt"
        self._ca.cert_pem.write_to_path(str(self.ca))

    def central(self, *hosts: str) -> tuple[Path, Path]:
        """Certificate and key of a central with these names; ``127.0.0.1`` if none is given."""
        leaf = self._ca.issue_cert(*(hosts or ("127.0.0.1",)))
        pem = b"".join(each.bytes() for each in leaf.cert_chain_pems)
        return self._write("central", pem, leaf.private_key_pem.bytes())

    def agency(
        self,
        agency: int,
        *,
        name: str = "",
        not_before: datetime = NOW - DAY,
        not_after: datetime = NOW + 30 * DAY,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
        signs_itself: bool = False,
    ) -> tuple[Path, Path]:
        """Certificate and key of an agency, right or wrong."""
        key = ec.generate_private_key(ec.SECP256R1())
        ca = x509.load_pem_x509_certificate(self._ca.cert_pem.bytes())
        ca_key = serialization.load_pem_private_key(self._ca.private_key_pem.bytes(), None)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"agency {agency}")])
        uri = x509.UniformResourceIdentifier(uri_of(agency))
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if signs_itself else ca.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(key if signs_itself else ca_key, hashes.SHA256())  # type: ignore[arg-type]
        )
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        pem = made.public_bytes(serialization.Encoding.PEM)
        return self._write(name or f"agency-{agency}", pem, secret)

    def _write(self, name: str, certificate: bytes, key: bytes) -> tuple[Path, Path]:
        cert_path, key_path = self._directory / f"{name}.crt", self._directory / f"{name}.key"
        cert_path.write_bytes(certificate)
        key_path.unlink(missing_ok=True)
        fd = os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(key)
        return cert_path, key_path


def fingerprint(certificate: Path) -> str:
    """The mark of a certificate in a roster: its SHA-256."""
    read = x509.load_pem_x509_certificate(certificate.read_bytes())
    return f"sha256:{read.fingerprint(hashes.SHA256()).hex()}"


def write_roster(path: Path, agencies: dict[int, str]) -> Path:
    """Write a roster of these marks, as a whole."""
    lines = "".join(f"{agency},Agency {agency},{mark}\n" for agency, mark in agencies.items())
    temporary = path.with_suffix(".tmp")
    temporary.write_text(f"id,name,certificate\n{lines}")
    temporary.rename(path)
    return path
