"""A self-signed certificate for the first start: browsers want HTTPS for camera and microphone."""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from server.errors import ConfigurationError

VALID_DAYS = 397
"""Longest validity that every browser takes."""
CLOCK_SKEW = datetime.timedelta(hours=1)
COMMON_NAME = "Omnicall (self-signed)"
MAX_COMMON_NAME = 64
KEY_MODE = 0o600
CERT_MODE = 0o644
WILDCARD_HOSTS = frozenset({"", "0.0.0.0", "::", "*"})


@dataclass(frozen=True, slots=True)
class CertificateSummary:
    """What a certificate says."""

    names: tuple[str, ...]
    """Host names and addresses it is good for."""
    not_after: datetime.datetime
    """When it expires, with time zone."""

    def is_expired(self, now: datetime.datetime | None = None) -> bool:
        """Whether browsers refuse it for its age."""
        return (now or datetime.datetime.now(datetime.UTC)) >= self.not_after


def certificate_names(host: str) -> list[str]:
    """Names the certificate shall carry: this machine's own and the configured one."""
    names = ["localhost", "127.0.0.1", "::1", socket.gethostname()]
    if host not in WILDCARD_HOSTS:
        names.append(host)
    return list(dict.fromkeys(name.lower() for name in names if name))


def generate_certificate(names: list[str]) -> tuple[bytes, bytes]:
    """A fresh self-signed certificate and its private key.

    Args:
        names: Host names and IP addresses.

    Returns:
        Certificate and key, both PEM.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, COMMON_NAME[:MAX_COMMON_NAME])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(n) for n in names]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def ensure_certificate(cert_file: Path, key_file: Path, host: str) -> bool:
    """Make a certificate unless there is one.

    Returns:
        True when one was made.

    Raises:
        ConfigurationError: Only one of the two files exists, or they cannot be written.
    """
    if cert_file.exists() and key_file.exists():
        return False
    if cert_file.exists() or key_file.exists():
        there, missing = (cert_file, key_file) if cert_file.exists() else (key_file, cert_file)
        raise ConfigurationError(
            f"{there} exists but {missing} does not; supply both, or remove {there} to have "
            "a new pair made"
        )
    certificate, key = generate_certificate(certificate_names(host))
    try:
        _write(key_file, key, KEY_MODE)
        _write(cert_file, certificate, CERT_MODE)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {error.filename}: {error.strerror}; set server.cert_file and "
            "server.key_file to a place that can be written"
        ) from error
    return True


def read_certificate(cert_file: Path) -> CertificateSummary:
    """What the certificate in a file says.

    Raises:
        ConfigurationError: The file is missing or is no PEM certificate.
    """
    try:
        certificate = x509.load_pem_x509_certificate(cert_file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"cannot read {cert_file}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"{cert_file} is no PEM certificate") from error
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return CertificateSummary((), certificate.not_valid_after_utc)
    names = tuple(str(name.value) for name in extension.value)
    return CertificateSummary(names, certificate.not_valid_after_utc)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file that has its mode from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
