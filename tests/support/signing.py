"""Signatures for tests without TLS.

The certificate of a replica is its label. A signature is a hash of the signed text and of a secret of the replica.
"""

from __future__ import annotations

import hashlib
import hmac

from bayou.seals import Signing


def signing_of(label: str) -> Signing:
    """Return the Signing of the replica with this label."""
    return Signing(label, label.encode(), lambda text: _signature(label, text), _signer_of)


def _signature(label: str, text: bytes) -> bytes:
    return hmac.new(f"secret of {label}".encode(), text, hashlib.sha256).digest()


def _signer_of(certificate: bytes, signature: bytes, text: bytes) -> str | None:
    label = certificate.decode()
    return label if hmac.compare_digest(signature, _signature(label, text)) else None
