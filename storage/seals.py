"""The seals of a replica's log, and the commits that named a new primary (bayou/seals.py). Without TLS there are no
seals."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, TypeVar

from bayou.payloads import Seal, StoredSeal, Succession
from storage.keys import Namespace
from storage.members import MEMBERS_PAGE, decode_members, label_of
from storage.queries import Queries

CANDIDATES = 4  # stored seals that are read at a time; most often the first one fits

Record = TypeVar("Record", Seal, StoredSeal)


class SealStore(Queries):
    """The part of a store that keeps seals. The methods are not atomic. This is safe, because each seal is valid by
    itself."""

    def commits(self, after_csn: int, upto_csn: int) -> list[bytes] | None:
        """Return the canonical bytes of the commits after `after_csn` up to `upto_csn`, in CSN order. Return None if
        the log does not hold all of them."""
        count = upto_csn - after_csn
        ids = self._redis.zrangebyscore(self._keys.committed, after_csn + 1, upto_csn) if count > 0 else []
        bodies = self._redis.hmget(self._keys.writes, ids) if ids else []
        return list(bodies) if len(ids) == max(count, 0) and all(bodies) else None

    def bodies(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Return write id -> canonical bytes for these writes. Writes that are not in the log are left out."""
        found = self._redis.hmget(self._keys.writes, ids) if ids else []
        return {one: body for one, body in zip(ids, found, strict=True) if body is not None}

    def seals(self, csn: int) -> list[StoredSeal]:
        """Return the first stored seals that end at the CSN `csn` or after it, in CSN order. Returns at most CANDIDATES
        seals."""
        found = self._redis.zrangebyscore(self._keys.seals, csn, "+inf", start=0, num=CANDIDATES)
        return [_decode(StoredSeal, text) for text in found]

    def note_seals(self, seals: Iterable[StoredSeal], successions: Iterable[Succession]) -> None:
        """Store `seals`, which the caller has checked, and the seals that belong to `successions`.

        A new seal may begin or end at the CSN at which a stored seal ends. The new seal replaces the stored seal in one
        case: both have the same epoch and the same running hash at that CSN, and the stored seal begins no later than
        the new seal. The new seal then begins where the stored seal began, and so covers the commits of both.
        """
        for seal in seals:
            new, replaced = seal, []
            for text in self._redis.zrangebyscore(self._keys.seals, seal.start, seal.csn):
                old = _decode(StoredSeal, text)
                meets = (old.csn, old.digest) in {(seal.start, seal.before), (seal.csn, seal.digest)}
                if meets and old.epoch == seal.epoch and old.start <= new.start:
                    new = replace(new, start=old.start, before=old.before)
                    replaced.append(text)
            self._redis.zadd(self._keys.seals, {_encode(new): new.csn})
            if replaced := [text for text in replaced if text.decode() != _encode(new)]:
                self._redis.zrem(self._keys.seals, *replaced)
        for one in successions:
            assert one.seal is not None
            self._redis.hset(self._keys.primary_seals, str(one.csn), _encode(one.seal))

    def successions(self) -> list[Succession]:
        """Return all commits that are known to have named another primary, in CSN order, with their seals."""
        writes = self._redis.hgetall(self._keys.primary_writes)
        seals = self._redis.hgetall(self._keys.primary_seals) if writes else {}
        found = []
        for csn in sorted(writes, key=int):
            deposed, _, body = writes[csn].partition(b"\n")
            seal = _decode(Seal, seals[csn]) if csn in seals else None
            found.append(Succession(int(csn), body, seal, deposed.decode()))
        return found

    def primary_label(self) -> str | None:
        """Return the label of the primary; None if it is not known. For a created server, the committed membership page
        gives the label."""
        primary, generation = self._redis.hmget(self._keys.meta, "primary", "generation")
        page = Namespace(self._label, generation.decode()).committed_page + MEMBERS_PAGE
        fields_of_page = {name.decode(): value.decode() for name, value in self._redis.hgetall(page).items()}
        return label_of(primary.decode(), decode_members(fields_of_page)) if primary else None


def succession_texts(successions: Iterable[Succession]) -> tuple[list[str], list[str]]:
    """Return two flat lists for storage/lua/commands/install.lua. The first list has two elements for each succession:
    the CSN, and a newline with the body. The second list has two elements for each succession with a seal: the CSN, and
    the seal."""
    bodies, seals = [], []
    for one in successions:
        bodies += [str(one.csn), f"\n{one.body.decode()}"]
        if one.seal is not None:
            seals += [str(one.csn), _encode(one.seal)]
    return bodies, seals


def _encode(record: Seal | StoredSeal) -> str:
    found = asdict(record)
    texts = {name: b64encode(value).decode() for name, value in found.items() if isinstance(value, bytes)}
    return json.dumps(found | texts)


def _decode(kind: type[Record], text: bytes) -> Record:
    found: dict[str, Any] = json.loads(text)
    return kind(**found | {one.name: b64decode(found[one.name]) for one in fields(kind) if one.type == "bytes"})
