"""Seals: with TLS, a primary signs its commits with the key of its certificate, and no replica takes unsigned commits.

A seal covers commits of one primary, up to the CSN of the seal. The primary computes a running hash over the bytes of
these commits, in CSN order. The primary signs this hash together with the CSN, the cluster and the epochs of the log.
Other writes or another order would give another hash. So a seal fixes the writes, their order, their CSNs and the
epoch.

A running hash begins with BEGINNING. A replica may send only some of the commits that a seal covers. Then the replica
also sends two things. `before` is the running hash before the first commit that is sent. `after` has the hashes of the
commits after the last commit that is sent.

Only a commit that names a primary can change the primary. In a hand-over, the previous primary makes and signs this
commit. In a forced promotion, the new primary makes and signs this commit, and the commit begins an epoch. From these
commits, a receiver computes the `Reign` of each commit. The reign says who must have signed the commit.

bayou/sealing.py makes seals, and bayou/seal_check.py checks them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from bayou.application import membership_write
from bayou.frames import StateChunk
from bayou.history import Epoch, decode
from bayou.names import label_in
from bayou.payloads import StateEnd
from bayou.write import Write

HASH_BYTES = 32  # of SHA-256
BEGINNING = bytes(HASH_BYTES)  # the running hash before the first commit


@dataclass(frozen=True, slots=True)
class Signing:
    """The keys and certificates that the protocol uses. `label` and `certificate` are those of this replica.

    `sign` returns this replica's signature of a text. `signer_of` takes a certificate, a signature and a text. The
    result is the label in the certificate. The result is None if the certificate does not belong to this cluster, or if
    the signature is not a signature of the text.
    """

    label: str
    certificate: bytes
    sign: Callable[[bytes], bytes]
    signer_of: Callable[[bytes, bytes, bytes], str | None]


@dataclass(frozen=True, slots=True)
class Reign:
    """The primary that makes and signs a commit, and the epochs that have begun with this commit or before it. One
    primary makes all commits of a reign.

    `server` and `label` are the id and the label of the primary. `label` is empty if it is not known.
    """

    server: str
    label: str
    epochs: tuple[Epoch, ...]

    def of_commit(self, csn: int, body: bytes) -> tuple[Reign, Reign]:
        """Return the reign of the commit `csn`, and the reign of the next commit. `body` has the canonical bytes of the
        commit `csn`. `self` is the reign of the commit `csn` if this commit opens no epoch.

        The rules are those of storage/lua/engine/membership.lua. The two reigns differ only if the commit is a
        hand-over. A commit that opens an epoch belongs to the reign of the replica that has promoted itself.
        """
        write = primary_write(body)
        if write is None:
            return self, self
        to, label = write.args["to"], str(write.args["label"])
        if "from" in write.args:
            counts = write.args["from"] == self.server == write.origin
            return self, replace(self, server=to, label=label_in(to) or label) if counts else self
        number = write.args["epoch"]
        if number != (self.epochs[-1].number if self.epochs else 0) + 1 or write.origin != to:
            return self, self
        epoch = Epoch(number, to, csn, heals=bool(write.args.get("heals")))
        opened = Reign(to, label_in(to) or label, (*self.epochs, epoch))
        return opened, opened


def primary_write(body: bytes) -> Write | None:
    """Return the write with these canonical bytes if it names a primary; None if it does not."""
    write = membership_write(body)
    return write if write is not None and write.op == "primary" else None


def epochs_at(history: str, csn: int) -> tuple[Epoch, ...]:
    """Return those epochs of a history that begin with the commit `csn` or an earlier commit."""
    return tuple(epoch for epoch in decode(history) if epoch.first_csn <= csn)


def folded(digest: bytes, bodies: Iterable[bytes]) -> bytes:
    """Return the running hash after more commits. `digest` is the running hash before them."""
    return folded_hashes(digest, b"".join(hash_of(body) for body in bodies))


def folded_hashes(digest: bytes, hashes: bytes) -> bytes:
    """Return the running hash after more commits, as `folded` does. `hashes` has the hashes of these commits, one after
    the other."""
    for at in range(0, len(hashes), HASH_BYTES):
        digest = hashlib.sha256(digest + hashes[at : at + HASH_BYTES]).digest()
    return digest


def hash_of(body: bytes) -> bytes:
    """Return the hash of one write, by its canonical bytes."""
    return hashlib.sha256(body).digest()


def text_of_commits(cluster: str, epochs: Iterable[Epoch], csn: int, digest: bytes) -> bytes:
    """Return the text that a primary signs for its commits up to `csn`."""
    return _text("commits", [cluster, [list(epoch) for epoch in epochs], csn, digest.hex()])


def text_of_state(cluster: str, digest: bytes, end: StateEnd) -> bytes:
    """Return the text that a primary signs for its full state. `digest` is the running hash of the parts of the
    state."""
    epochs = [list(epoch) for epoch in decode(end.history)]
    fields: Mapping[str, object] = asdict(end) | {"history": epochs, "vector": sorted(end.vector.items())}
    return _text("full state", [cluster, digest.hex(), sorted(fields.items())])


def folded_part(digest: bytes, part: StateChunk) -> bytes:
    """Return the running hash of a full state's parts up to `part`. `digest` is the running hash up to the previous
    part. If `part` is the first part, `digest` is ignored."""
    lists = json.dumps([[entries.name, *entries.entries] for entries in part.lists]).encode()
    commits = json.dumps([[one.id, one.csn, hash_of(one.body).hex(), one.outcome] for one in part.commits]).encode()
    contents = b"".join(hashlib.sha256(content).digest() for content in (part.pages.text, lists, commits))
    return hashlib.sha256((BEGINNING if part.first else digest) + contents).digest()


def _text(kind: str, content: list[object]) -> bytes:
    return f"bayou {kind}\n{json.dumps(content, separators=(',', ':'))}".encode()
