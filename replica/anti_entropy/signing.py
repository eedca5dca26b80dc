"""Signs with the key of this replica's certificate, and checks the signatures of other replicas (bayou/seals.py).

A certificate of another replica is accepted if one of the certificates of ca.pem has issued it directly. The dates of
the certificate are not checked here, because a log is kept longer than a certificate is valid. For connections, TLS
checks these dates.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from bayou.seals import Signing

CERTIFICATES_KEPT = 1000  # certificates of others whose check is remembered

PublicKey = EllipticCurvePublicKey | RSAPublicKey


def make_signing(label: str, authority: bytes, certificate_pem: bytes, key_pem: bytes) -> Signing:
    """Return the Signing of the replica `label`. The certificates and the key are PEM texts; `authority` may have
    several certificates. Raises ValueError, with the reason, if the key or the certificate cannot be used for
    signatures."""
    authorities = x509.load_pem_x509_certificates(authority)
    key = load_pem_private_key(key_pem, password=None)
    certificate = x509.load_pem_x509_certificate(certificate_pem).public_bytes(Encoding.DER)

    def sign(text: bytes) -> bytes:
        if isinstance(key, EllipticCurvePrivateKey):
            return key.sign(text, ECDSA(SHA256()))
        if isinstance(key, RSAPrivateKey):
            return key.sign(text, padding.PKCS1v15(), SHA256())
        raise ValueError("its key is neither an EC key nor an RSA key")

    @lru_cache(CERTIFICATES_KEPT)
    def holder(der: bytes) -> tuple[str, PublicKey] | None:
        return _holder(der, authorities)

    def signer_of(der: bytes, signature: bytes, text: bytes) -> str | None:
        found = holder(der)
        if found is None:
            return None
        signer, public_key = found
        return signer if _fits(public_key, signature, text) else None

    if signer_of(certificate, sign(b""), b"") != label:
        raise ValueError(f"its name (CN) is not {label}, or no certificate of ca.pem has issued it directly")
    return Signing(label, certificate, sign, signer_of)


def _holder(der: bytes, authorities: Sequence[x509.Certificate]) -> tuple[str, PublicKey] | None:
    """Return the label and the key of a certificate; None if none of the authorities has issued it."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        key = certificate.public_key()
    except (ValueError, x509.UnsupportedGeneralNameType):
        return None
    if not names or not isinstance(key, PublicKey) or not any(_issued(certificate, one) for one in authorities):
        return None
    return str(names[0].value), key


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _fits(key: PublicKey, signature: bytes, text: bytes) -> bool:
    try:
        if isinstance(key, EllipticCurvePublicKey):
            key.verify(signature, text, ECDSA(SHA256()))
        else:
            key.verify(signature, text, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
