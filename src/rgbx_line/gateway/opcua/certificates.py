"""The certificates of the OPC UA server: its own, and those of the clients that it trusts."""

import os
import socket
from pathlib import Path

from asyncua.crypto.cert_gen import (
    dump_private_key_as_pem,
    generate_private_key,
    generate_self_signed_app_certificate,
)
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from asyncua.ua import ApplicationDescription
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from rgbx.errors import InputError
from rgbx.files import readable_os_errors, write_bytes
from rgbx_line.settings import LineFolder

DAYS = 3650
"""How long a certificate that the line makes for itself is valid."""


def application_uri(certificate: x509.Certificate) -> str:
    """Return the name that a server has to give itself with this certificate; empty when there is none in it."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), "")


def read_certificate(path: Path) -> x509.Certificate:
    """Return the certificate that a file holds, DER or PEM.

    Raises:
        InputError: it cannot be read, or holds none.
    """
    content = _read(path, "name a file with a certificate")
    try:
        return x509.load_pem_x509_certificate(content) if _is_pem(content) else x509.load_der_x509_certificate(content)
    except ValueError as error:
        raise InputError(path, "is no certificate", "name a file with one, DER or PEM") from error


def read_key(path: Path) -> RSAPrivateKey:
    """Return the key that a file holds, DER or PEM, without a password.

    Raises:
        InputError: it cannot be read, or holds none.
    """
    content = _read(path, "name a file with the certificate's key")
    try:
        key = load_pem_private_key(content, None) if _is_pem(content) else load_der_private_key(content, None)
    except (ValueError, TypeError) as error:  # TypeError: it wants a password
        raise InputError(path, "is no key", "name a file with the certificate's, DER or PEM, no password") from error
    if not isinstance(key, RSAPrivateKey):
        raise InputError(path, "is no RSA key", "make a certificate with one: OPC UA takes no other")
    return key


def own_certificate(folder: LineFolder) -> tuple[Path, Path]:
    """Return the line's certificate (DER) and its key (PEM, for this account alone); made when they are missing.

    Raises:
        RgbxError: the disk is full or the folder cannot be written.
    """
    certificate, key = folder.opcua / "own.der", folder.opcua / "own.pem"
    if not (certificate.exists() and key.exists()):
        private = generate_private_key()
        host = socket.gethostname()
        uri = x509.UniformResourceIdentifier(f"urn:{host}:rgbx:line")
        names: list[x509.GeneralName] = [uri, x509.DNSName(host)]
        made = generate_self_signed_app_certificate(
            private, f"rgbx line {host}"[:64], {}, names, [ExtendedKeyUsageOID.SERVER_AUTH], DAYS
        )
        _write_secret(key, dump_private_key_as_pem(private))
        write_bytes(certificate, made.public_bytes(Encoding.DER))
    return certificate, key


def trust(folder: LineFolder, certificate: Path) -> Path:
    """Let the owner of a certificate, or who holds one that it signed, connect from now on.

    Args:
        folder: of the line.
        certificate: of the client, DER or PEM.

    Returns:
        The copy in the trust list; to delete it is to trust no longer.

    Raises:
        InputError: the file cannot be read, or is no certificate.
        RgbxError: the disk is full or the folder cannot be written.
    """
    read = read_certificate(certificate)
    # Clients all call theirs the same, so the file's name says which it is.
    copy = _trusted(folder) / f"{certificate.stem}-{read.fingerprint(hashes.SHA256()).hex()[:16]}.der"
    write_bytes(copy, read.public_bytes(Encoding.DER))
    return copy


class TrustList:
    """Who may connect with encryption: the certificates in ``trusted``, and those that they signed.

    Certificates in the revocation lists (CRL, DER or PEM) of the folder ``revoked`` may not. Both are read at each
    connection, so that a change needs no start.
    """

    def __init__(self, folder: LineFolder) -> None:
        trusted, revoked = _trusted(folder), folder.opcua / "revoked"
        for path in (trusted, revoked):
            with readable_os_errors(path):
                path.mkdir(parents=True, exist_ok=True)
        self._store = TrustStore([trusted], [revoked])
        self._validator = CertificateValidator(
            CertificateValidatorOptions.TRUSTED_VALIDATION | CertificateValidatorOptions.PEER_CLIENT, self._store
        )

    async def check(self, certificate: x509.Certificate, application: ApplicationDescription) -> None:
        """Check a client's certificate.

        Raises:
            asyncua.common.utils.ServiceError: it is not trusted, revoked, out of date, of another application, or not
                for a client.
        """
        await self._store.load()
        await self._validator(certificate, application)


def _trusted(folder: LineFolder) -> Path:
    return folder.opcua / "trusted"


def _read(path: Path, remedy: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", remedy) from error


def _is_pem(content: bytes) -> bool:
    return content.lstrip().startswith(b"-----BEGIN")


def _write_secret(path: Path, content: bytes) -> None:
    """Write a file that nobody else may read, at no moment."""
    before = os.umask(0o077)
    try:
        write_bytes(path, content)
    finally:
        os.umask(before)
