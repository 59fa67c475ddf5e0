"""``contrib/certificates.sh``: what it makes, what it refuses, and what a failure leaves behind."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import stat
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID
from live import PATIENCE_SECONDS

from lottery.central.roster import Agency, read_roster

SCRIPT: Final = Path(__file__).parents[2] / "contrib" / "certificates.sh"
HEADING: Final = "id,name,certificate"

pytestmark = [
    pytest.mark.slow,
    *(
        pytest.mark.skipif(
            shutil.which(tool) is None, reason=f"certificates.sh needs {tool}, which is not here"
        )
        for tool in ("bash", "openssl", "flock")
    ),
]


def run(
    directory: Path, *words: str, renew: bool = False, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the script about a directory; programs of ``path`` stand in for those of the host."""
    options = ["--renew"] if renew else []
    search = os.environ["PATH"] if path is None else f"{path}:{os.environ['PATH']}"
    return subprocess.run(
        [SCRIPT, *options, directory, *words],
        env={**os.environ, "PATH": search},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
    )


def done(directory: Path, *words: str, renew: bool = False) -> str:
    """Run the script, which has to succeed; gives what it said."""
    ended = run(directory, *words, renew=renew)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def refused(
    directory: Path, status: int, says: str, *words: str, renew: bool = False
) -> dict[str, bytes]:
    """Run the script, which has to refuse with one sentence and to change nothing."""
    before = contents(directory)
    ended = run(directory, *words, renew=renew)
    assert (ended.returncode, ended.stdout) == (status, ""), ended
    assert re.fullmatch(r"certificates\.sh: [^\n]+\n", ended.stderr), ended.stderr
    assert says in ended.stderr
    assert contents(directory) == before
    return before


def contents(directory: Path) -> dict[str, bytes]:
    """The files of a directory, the hidden ones, too."""
    if not directory.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def certificate(directory: Path, name: str) -> x509.Certificate:
    """Read a certificate."""
    return x509.load_pem_x509_certificate((directory / f"{name}.crt").read_bytes())


def mark(directory: Path, agency: int) -> str:
    """By what a roster knows the certificate of an agency."""
    return f"sha256:{certificate(directory, f'agency-{agency}').fingerprint(SHA256()).hex()}"


def verified(directory: Path, name: str, purpose: str) -> bool:
    """Whether OpenSSL takes a certificate for a purpose, by its strictest rules."""
    options = ("-x509_strict", "-purpose", purpose, "-CAfile", directory / "ca.crt")
    ended = subprocess.run(
        ["openssl", "verify", *options, directory / f"{name}.crt"],
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    return ended.returncode == 0


def stand_in(directory: Path, program: str, script: str) -> Path:
    """Make a program that runs a script, which may ``fail``, and else does what the host's does.

    :returns: where it is, for ``path``.
    """
    path = directory / "programs"
    path.mkdir(exist_ok=True)
    file = path / program
    fail = 'fail() { echo "$*" >&2; exit 1; }'
    file.write_text(f'#!/bin/bash\n{fail}\n{script}\nexec {shutil.which(program)} "$@"\n')
    file.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a central and three agencies, which no test changes."""
    directory = tmp_path_factory.mktemp("certificates") / "pki"
    old = os.umask(0)  # as open as it can be; the script has a mask of its own
    try:
        done(directory, "central", "Lottery.Example", "192.0.2.10", "2001:db8::1")
        done(directory, "agency", "1", "0=Ñandú (Once)", "4294967295")
    finally:
        os.umask(old)
    return directory


@pytest.fixture
def pki(made: Path, tmp_path: Path) -> Path:
    """A copy of that directory, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "pki"))


def test_three_commands_make_what_a_day_needs(made: Path) -> None:
    """All files are there, and nothing else; nobody but their owner may read them."""
    leaves = ("ca", "central", "agency-1", "agency-0", "agency-4294967295")
    wanted = {f"{name}.{kind}" for name in leaves for kind in ("crt", "key")} | {"roster.csv"}
    assert {path.name for path in made.iterdir()} == wanted
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == {0o600}
    assert {path.stat().st_nlink for path in made.iterdir() if path.is_file()} == {1}


def test_the_authority(made: Path) -> None:
    """It may sign certificates, but no other authority; it is good for ten years."""
    authority = certificate(made, "ca")
    assert authority.not_valid_after_utc - authority.not_valid_before_utc == timedelta(days=3650)
    basic = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usages(usage.value) == {"key_cert_sign", "crl_sign"}
    authority.verify_directly_issued_by(authority)


def usages(usage: x509.KeyUsage) -> set[str]:
    """What a key may be used for."""
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    names += ("key_agreement", "key_cert_sign", "crl_sign")
    return {name for name in names if getattr(usage, name)}


@pytest.mark.parametrize("name", ["central", "agency-0", "agency-1", "agency-4294967295"])
def test_a_certificate_is_for_one_purpose(made: Path, name: str) -> None:
    """Signed by the authority, for one side of a connection, and found by OpenSSL to be so."""
    leaf, authority = certificate(made, name), certificate(made, "ca")
    leaf.verify_directly_issued_by(authority)
    extensions = leaf.extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca) == (True, False)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usages(usage.value)) == (True, {"digital_signature"})
    server = name == "central"
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [purpose]
    assert verified(made, name, "sslserver") == server
    assert verified(made, name, "sslclient") == (not server)
    signer = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    key = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert signer.key_identifier == key.digest
    assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest != key.digest
    assert leaf.not_valid_before_utc <= datetime.now(UTC)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(days=825)


def test_keys_and_serial_numbers(made: Path) -> None:
    """Keys are of P-256, each is another, and serial numbers are long and random."""
    leaves = [certificate(made, path.stem) for path in made.glob("*.crt")]
    keys = [leaf.public_key() for leaf in leaves]
    assert all(isinstance(key, EllipticCurvePublicKey) for key in keys)
    assert all(isinstance(key.curve, SECP256R1) for key in keys)
    assert len({key.public_numbers() for key in keys}) == len(leaves)
    assert len({leaf.serial_number for leaf in leaves}) == len(leaves)
    assert all(128 < leaf.serial_number.bit_length() < 160 for leaf in leaves)


def test_alternative_names(made: Path) -> None:
    """The central is known by names and addresses of its host, an agency by its number."""
    found = certificate(made, "central").extensions
    names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["lottery.example"]
    addresses = ["192.0.2.10", "2001:db8::1"]
    assert names.get_values_for_type(x509.IPAddress) == list(map(ip_address, addresses))
    found = certificate(made, "agency-0").extensions
    names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier("urn:lottery:agency:0")]


def test_the_roster_knows_the_certificates(made: Path) -> None:
    """The central's own reader takes the roster, and finds each agency by its certificate."""
    roster = read_roster(made / "roster.csv")
    names = {0: "Ñandú (Once)", 1: "agency 1", 4294967295: "agency 4294967295"}
    assert roster.agencies == {number: Agency(number, name) for number, name in names.items()}
    for number in names:
        assert roster.whose({mark(made, number)}).number == number
    assert (made / "roster.csv").read_text(encoding="utf-8").splitlines()[0] == HEADING


def shake_hands(central: Path, agency: Path, *, host: str = "lottery.example") -> None:
    """Let the central of a directory and agency 1 of another shake hands.

    :raises ssl.SSLError: if one of them does not take the other.
    """
    ends = []
    for here, name, purpose in (
        (central, "central", ssl.Purpose.CLIENT_AUTH),
        (agency, "agency-1", ssl.Purpose.SERVER_AUTH),
    ):
        context = ssl.create_default_context(purpose, cafile=str(here / "ca.crt"))
        context.load_cert_chain(here / f"{name}.crt", here / f"{name}.key")
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        ends.append((context, ssl.MemoryBIO(), ssl.MemoryBIO()))
    (server, to_server, from_server), (client, to_client, from_client) = ends
    called = server.wrap_bio(to_server, from_server, server_side=True)
    calling = client.wrap_bio(to_client, from_client, server_hostname=host)
    ways = ((calling, from_client, to_server), (called, from_server, to_client))
    for _ in range(3):  # there and back again, and once more
        for end, said, other in ways:
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
            other.write(said.read())
    called.do_handshake()
    calling.do_handshake()


@pytest.mark.parametrize("host", ["lottery.example", "192.0.2.10", "2001:db8::1"])
def test_central_and_agency_shake_hands(made: Path, host: str) -> None:
    """Each takes the other for what it is, by the strictest rules, under all names."""
    shake_hands(made, made, host=host)


def test_strangers_do_not_shake_hands(made: Path, tmp_path: Path) -> None:
    """A wrong host, and an agency of another authority, which has the same name."""
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(made, made, host="lottery.invalid")
    done(tmp_path / "other", "central", "lottery.example")
    done(tmp_path / "other", "agency", "1")
    (tmp_path / "other" / "ca.crt").write_bytes((made / "ca.crt").read_bytes())
    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        shake_hands(made, tmp_path / "other")


#: Words, the status, and what the sentence holds.
WRONG: Final[Mapping[str, tuple[list[str], int, str]]] = {
    "no-verb": ([], 2, "--help"),
    "no-host": (["central"], 2, "--help"),
    "no-agency": (["agency"], 2, "--help"),
    "nobody-revoked": (["revoke"], 2, "--help"),
    "other-verb": (["agencies", "1"], 2, "'agencies' is none of"),
    "id-negative": (["agency", "-1"], 2, "'-1' is no ID"),
    "id-too-high": (["agency", "4294967296"], 2, "'4294967296' is no ID"),
    "id-with-zeros": (["agency", "01"], 2, "'01' is no ID"),
    "id-path": (["agency", "../1"], 2, "'../1' is no ID"),
    "id-empty": (["agency", ""], 2, "'' is no ID"),
    "id-twice": (["agency", "7", "8", "7"], 2, "agency 7 is named twice"),
    "revoke-twice": (["revoke", "1", "1"], 2, "agency 1 is named twice"),
    "revoke-name": (["revoke", "1=x"], 2, "'1=x' is no ID"),
    "name-empty": (["agency", "7="], 2, "'' is no name"),
    "name-long": (["agency", f"7={65 * 'x'}"], 2, "is no name"),
    "name-comma": (["agency", "7=a,b"], 2, "'a,b' is no name"),
    "name-quote": (["agency", '7=a"b'], 2, "is no name"),
    "name-break": (["agency", "7=a\nb"], 2, r"$'a\nb' is no name"),
    "name-escape": (["agency", "7=a\x1b[m"], 2, r"$'a\E[m' is no name"),
    "name-bidi": (["agency", "7=a\u202eb"], 2, "is no name"),
    "name-separator": (["agency", "7=a\u2028b"], 2, "is no name"),
    "name-formula": (["agency", "7==1+1"], 2, "'=1+1' is no name"),
    "name-not-utf-8": (["agency", "7=a\udcff"], 2, r"$'a\377' is no name"),
    "host-empty": (["central", ""], 2, "'' is neither"),
    "host-comma": (["central", "a,b"], 2, "'a,b' is neither"),
    "host-blank": (["central", "a b"], 2, "'a b' is neither"),
    "host-break": (["central", "a\nDNS:b"], 2, "is neither"),
    "host-any": (["central", "*.example"], 2, "is neither"),
    "host-dot": (["central", "a."], 2, "is neither"),
    "host-port": (["central", "a:12345"], 2, "is neither"),
    "host-numbers": (["central", "300.1.1.1"], 2, "is neither"),
    "host-short": (["central", "192.0.2"], 2, "is neither"),
    "host-long": (["central", ".".join(5 * [60 * "a"])], 2, "is neither"),
    "host-colons": (["central", "1::2::3"], 2, "is neither"),
    "host-nine-groups": (["central", "1:2:3:4:5:6:7:8:9"], 2, "is neither"),
    "central-there": (["central", "a.example"], 1, "central.crt' is there already"),
    "agency-there": (["agency", "7", "1"], 1, "agency-1.crt' is there already"),
    "not-on-the-roster": (["revoke", "1", "7"], 1, "agency 7 is not on the roster"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_done(pki: Path, name: str) -> None:
    """One sentence, a status, and not a byte is changed."""
    words, status, says = WRONG[name]
    refused(pki, status, says, *words)


def test_options_that_are_none(tmp_path: Path) -> None:
    """A directory is needed and is not an option; ``--help`` is."""
    for words in ([], ["--renew"], ["--frob", "central", "a"], ["", "central", "a"]):
        ended = subprocess.run([SCRIPT, *words], cwd=tmp_path, capture_output=True, text=True)
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended
    ended = subprocess.run([SCRIPT, "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "agency ID[=NAME]..." in ended.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "host", ["localhost", "::1", "::2:3:4:5:6:7:8", "a-b.c1", "1::3:4:5:6:7:8"]
)
def test_hosts_that_are_fine(tmp_path: Path, host: str) -> None:
    """Names without a dot, and any form of an address."""
    done(tmp_path / "pki", "central", host)
    assert verified(tmp_path / "pki", "central", "sslserver")


def test_no_directory_and_no_authority(tmp_path: Path) -> None:
    """Only ``central`` makes a directory, and one that cannot be made is not half made."""
    pki = tmp_path / "pki"
    for words in (["agency", "1"], ["revoke", "1"]):
        refused(pki, 1, "is no directory", *words)
    refused(pki / "deeper", 1, "cannot be made", "central", "localhost")
    refused(pki, 1, "cannot be renewed", "central", "localhost", renew=True)
    assert list(tmp_path.iterdir()) == []
    pki.mkdir(mode=0o700)
    refused(pki, 1, "ca.crt' is missing", "agency", "1")


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_a_directory_that_is_open_to_others(pki: Path, mode: int) -> None:
    """Others could take a key, or give themselves a line of the roster."""
    pki.chmod(mode)
    refused(pki, 1, "chmod 700", "agency", "7")


def test_two_at_a_time(pki: Path) -> None:
    """The second is sent away: one of two new rosters would be lost."""
    with subprocess.Popen(
        ["flock", pki, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as it:
        assert it.stdin is not None
        assert it.stdout is not None
        it.stdin.write(b"\n")
        it.stdin.flush()
        it.stdout.readline()  # it has the lock
        refused(pki, 1, "another certificates.sh", "agency", "7")
    done(pki, "agency", "7")


@pytest.mark.parametrize("file", ["ca.key", "ca.crt"])
def test_an_authority_that_cannot_sign(pki: Path, file: str) -> None:
    """Half of it is missing, or is no such thing: one sentence, and no new authority."""
    (pki / file).write_bytes(b"junk\n")
    says = "ca.crt' is no certificate" if file == "ca.crt" else "cannot make a certificate"
    refused(pki, 1, says, "agency", "7")
    (pki / file).unlink()
    refused(pki, 1, f"{file}' is missing", "agency", "7")
    refused(pki, 1, f"{file}' is missing", "central", "localhost", renew=True)


def test_an_authority_at_its_end(pki: Path) -> None:
    """What it signed would be refused before its own time is up, so it signs no more."""
    subject = ["-subj", "/CN=old", "-days", "800", "-key", pki / "ca.key", "-out", pki / "ca.crt"]
    subprocess.run(["openssl", "req", "-x509", "-new", *subject], check=True, capture_output=True)
    refused(pki, 1, "good for 825 days", "agency", "7")


def test_an_agency_that_comes_later(pki: Path) -> None:
    """Neither the authority nor the others are touched by it, and the roster grows by a line."""
    before = contents(pki)
    done(pki, "agency", "7=Palermo")
    after = contents(pki)
    assert set(after) - set(before) == {"agency-7.crt", "agency-7.key"}
    assert {name for name in before if after[name] != before[name]} == {"roster.csv"}
    assert after["roster.csv"].startswith(before["roster.csv"])
    assert read_roster(pki / "roster.csv").whose({mark(pki, 7)}) == Agency(7, "Palermo")


def test_revoked(pki: Path) -> None:
    """Its line is taken out, the others stay as they are, and so do notes of the operator."""
    roster = pki / "roster.csv"
    kept = "# by hand\r\n\n 0012 , Twelve, dns:twelve.example \r\n"
    with roster.open("a", encoding="utf-8", newline="") as file:
        file.write(kept)
    assert "SIGHUP" in done(pki, "revoke", "4294967295", "1")
    assert set(read_roster(roster).agencies) == {0, 12}
    assert roster.read_bytes().decode().endswith(kept)
    done(pki, "revoke", "12")
    assert set(read_roster(roster).agencies) == {0}
    assert "stop the one that runs" in done(pki, "revoke", "0")
    assert roster.read_text().splitlines() == [HEADING, "# by hand", ""]


def test_revoked_wherever_it_stands(pki: Path) -> None:
    """A roster that names an agency twice is refused by the central; no line of it is left."""
    (pki / "roster.csv").write_text(
        "\ufeff1,a,dns:a.example\n2,b,dns:b.example\n01,c,dns:c.example"
    )
    done(pki, "revoke", "1")
    assert (pki / "roster.csv").read_text() == "2,b,dns:b.example\n"


def test_renewed_agency(pki: Path) -> None:
    """Another key and certificate, and the roster knows no longer the old one."""
    old = mark(pki, 0)
    key = (pki / "agency-0.key").read_bytes()
    done(pki, "agency", "0", "1=Flores", renew=True)
    assert (pki / "agency-0.key").read_bytes() != key
    roster = read_roster(pki / "roster.csv")
    assert list(roster.agencies) == [1, 0, 4294967295]  # each where it stood
    assert roster.whose({mark(pki, 0)}).name == "Ñandú (Once)"
    assert roster.whose({mark(pki, 1)}).name == "Flores"
    assert old not in (pki / "roster.csv").read_text().replace(":", "").lower()
    assert verified(pki, "agency-0", "sslclient")
    assert stat.S_IMODE((pki / "agency-0.key").stat().st_mode) == 0o600
    refused(pki, 1, "agency-7.crt' is not there", "agency", "0", "7", renew=True)
    refused(pki, 2, "not renewed", "revoke", "0", renew=True)


def test_revoked_and_back_again(pki: Path) -> None:
    """Who was revoked comes back with a new certificate only."""
    done(pki, "revoke", "1")
    refused(pki, 1, "--renew replaces it", "agency", "1")
    done(pki, "agency", "1", renew=True)
    assert read_roster(pki / "roster.csv").whose({mark(pki, 1)}).number == 1


def test_on_the_roster_by_hand(pki: Path) -> None:
    """A line that somebody has written is not replaced by the way."""
    with (pki / "roster.csv").open("a") as file:
        file.write("7,Seven,dns:seven.example\n")
    refused(pki, 1, "agency 7 is on the roster already", "agency", "7")


def test_renewed_central(pki: Path) -> None:
    """Another key and certificate of the same authority; agencies have nothing to do."""
    before = contents(pki)
    done(pki, "central", "lottery.example", renew=True)
    after = contents(pki)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"central.crt", "central.key"}
    shake_hands(pki, pki)


#: A program of the host, what its stand-in does before it does its work, and what is said of it.
FAILURES: Final[Mapping[str, tuple[str, str, str]]] = {
    "second-agency": ("openssl", 'if [[ $* == *agency-2* ]]; then fail "no luck"; fi', "no luck"),
    "no-room": ("sync", 'fail "no room"', "no room"),
    "roster": ("mv", 'if [[ $* == *"/roster.csv "* ]]; then fail "no luck"; fi', "no luck"),
    "end": ("sync", 'if [[ ${!#} == */pki ]]; then fail "no luck"; fi', "no luck"),
    "SIGTERM": ("openssl", "if [[ $* == *agency-2* ]]; then kill -TERM $PPID; fi", ""),
}


@pytest.mark.parametrize("renew", [False, True], ids=["new", "renewed"])
@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_leaves_nothing(pki: Path, tmp_path: Path, name: str, renew: bool) -> None:
    """Whatever the step that fails: nothing new, nothing changed, no file of work."""
    program, script, says = FAILURES[name]
    if renew:
        done(pki, "agency", "2")
    path = stand_in(tmp_path, program, script)
    before = contents(pki)
    ended = run(pki, "agency", "1" if renew else "7", "2", renew=renew, path=path)
    assert (ended.returncode, ended.stdout) == (1, ""), ended
    assert says in ended.stderr
    assert ended.stderr.count("\n") == bool(says)
    assert contents(pki) == before
    assert [path.name for path in pki.iterdir() if path.is_dir()] == []
    assert {path.stat().st_nlink for path in pki.iterdir()} == {1}


def test_a_failure_leaves_no_directory(tmp_path: Path) -> None:
    """The first of all commands fails at its last certificate: there is no trace of it."""
    script = 'if [[ $* == *central* ]]; then fail "no luck"; fi'
    path = stand_in(tmp_path, "openssl", script)
    ended = run(tmp_path / "pki", "central", "localhost", path=path)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended
    assert not (tmp_path / "pki").exists()


def test_another_openssl(tmp_path: Path) -> None:
    """One that is too old is not tried."""
    path = stand_in(tmp_path, "openssl", 'echo "OpenSSL 1.1.1n  15 Mar 2022"; exit')
    ended = run(tmp_path / "pki", "central", "localhost", path=path)
    assert ended.returncode == 1
    assert "OpenSSL 3 is needed" in ended.stderr
    assert not (tmp_path / "pki").exists()


def test_what_a_killed_one_has_left(pki: Path) -> None:
    """Its folder of work, which may hold keys, is gone with the next command."""
    left = pki / ".making.abcdef"
    left.mkdir(mode=0o700)
    (left / "agency-9.key").write_text("secret")
    done(pki, "revoke", "1")
    assert not left.exists()
