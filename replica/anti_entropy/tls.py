"""Mutual TLS between replicas: each shows a certificate of the cluster's own authority, or there is no session.

The folder of the setting `tls` holds ca.pem (the authority's certificate), LABEL.pem and LABEL.key (this replica's, the
certificate valid for the host of its anti-entropy address, as server and as client). They are read once, at the start.
The authority must be the cluster's alone: whoever has a certificate of it is taken for a replica.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from replica.config import Config, ConfigError

AUTHORITY = "ca.pem"


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM texts; the key is not shown."""

    authority: bytes
    certificate: bytes
    key: bytes = field(repr=False)

    def server(self) -> grpc.ServerCredentials:
        pair = (self.key, self.certificate)
        return grpc.ssl_server_credentials([pair], root_certificates=self.authority, require_client_auth=True)

    def channel(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(self.authority, self.key, self.certificate)


def read_credentials(settings: Config, label: str) -> Credentials | None:
    """Of this replica; None where links are plain. ConfigError where a file is missing or is none."""
    if settings.tls is None:
        return None
    found = []
    for name in (AUTHORITY, f"{label}.pem", f"{label}.key"):
        path = settings.tls / name
        try:
            content = path.read_bytes()
        except OSError as error:
            message = f"{path}: cannot be read: {error.strerror}. The setting tls names the folder of certificates."
            raise ConfigError([message]) from None
        found.append(content)
    _check(settings.tls, label)
    return Credentials(*found)


def _check(folder: Path, label: str) -> None:
    """gRPC would only say that it cannot listen."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    loading = AUTHORITY
    try:
        context.load_verify_locations(folder / AUTHORITY)
        loading = f"{label}.pem"
        context.load_cert_chain(folder / f"{label}.pem", folder / f"{label}.key")
    except ssl.SSLError as error:
        reason = error.reason or "it is no PEM file"
        raise ConfigError([f"{folder / loading}: cannot be used: {reason}."]) from None
