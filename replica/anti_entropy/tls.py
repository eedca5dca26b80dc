"""Mutual TLS between replicas: each replica needs a certificate of the cluster's own certificate authority.

The setting `tls` names a folder with three files:

    ca.pem     the certificate of the authority
    LABEL.pem  the certificate of this replica
    LABEL.key  the key of this replica

The certificate of a replica must name the host of the replica's anti-entropy address. The certificate must be valid for
a server and for a client. The files are read once, at the start. The authority must issue certificates for this cluster
only, because everybody who has a certificate of this authority is accepted as a replica.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from bayou.seals import Signing
from replica.config import Config, ConfigError

AUTHORITY = "ca.pem"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The certificates and the key of this replica as PEM texts; `repr` leaves the key out."""

    authority: bytes
    certificate: bytes
    key: bytes = field(repr=False)

    def server(self) -> grpc.ServerCredentials:
        pair = (self.key, self.certificate)
        return grpc.ssl_server_credentials([pair], root_certificates=self.authority, require_client_auth=True)

    def channel(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(self.authority, self.key, self.certificate)


def read_credentials(settings: Config, label: str) -> Credentials | None:
    """Return the credentials of this replica; None without TLS. Raises ConfigError if a file is missing or cannot be
    used."""
    if settings.tls is None:
        return None
    found = []
    for name in (AUTHORITY, f"{label}.pem", f"{label}.key"):
        path = settings.tls / name
        try:
            content = path.read_bytes()
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}. The setting `tls` must name the folder of this file."
            raise ConfigError(message) from None
        found.append(content)
    _check(settings.tls, label)
    return Credentials(*found)


def read_signing(settings: Config, label: str) -> Signing | None:
    """Return the Signing of this replica; None without TLS. Raises ConfigError if a file is missing, or if a file
    cannot be used for TLS or for signatures."""
    credentials = read_credentials(settings, label)
    if settings.tls is None or credentials is None:
        return None
    from replica.anti_entropy.signing import make_signing  # noqa: PLC0415 (cryptography takes a while to load)

    try:
        return make_signing(label, credentials.authority, credentials.certificate, credentials.key)
    except ValueError as reason:
        raise ConfigError(
            f"{settings.tls / label}.pem cannot be used to sign commits: {reason}. Make a new one with"
            " deploy/certificates.sh."
        ) from None


def _check(folder: Path, label: str) -> None:
    """Check the files before gRPC reads them. If a file is wrong, gRPC says only that it cannot listen."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    loading = AUTHORITY
    try:
        context.load_verify_locations(folder / AUTHORITY)
        loading = f"{label}.pem"
        context.load_cert_chain(folder / f"{label}.pem", folder / f"{label}.key")
    except ssl.SSLError as error:
        reason = error.reason or "it is not a PEM file"
        raise ConfigError(
            f"{folder / loading} cannot be used: {reason}. Copy the right files into that folder."
        ) from None
