"""Checks the form of each frame before the frame is used.

A peer may run another release or have faulty memory, or it may not be a replica at all. A frame that passes these
checks can be stored without harm. Its ids, stamps and counts are well-formed, and it is not larger than the frames that
a replica sends. Other code checks later whether the frame fits the log. docs/limits.md lists the bounds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from bayou.application import MEMBERSHIP
from bayou.frames import Ack, Answer, Batch, Frame, Hello, Holds, Question, Refuse, StateChunk, StateFinish
from bayou.history import Epoch, decode
from bayou.names import LABEL, NAME, SERVER, TAG, split_address
from bayou.payloads import (
    RECENT_MAX,
    Item,
    ListPart,
    LoggedCommit,
    Seal,
    Selection,
    StateEnd,
    StatePages,
    StateProof,
    Succession,
)
from bayou.seals import HASH_BYTES
from bayou.stamps import STAMP_DIGITS, STAMP_MAX, stamp_text
from bayou.state import Vector
from bayou.write import PAGES_MAX, WRITE_BYTES_MAX, Summary, Write

SERVERS_MAX = 10_000  # entries of a vector, and minted ids (LABEL~NONCE) of retired servers
SERVER_BYTES_MAX = 512
EPOCHS_MAX = 1_000
HISTORY_BYTES_MAX = 256 * 1024
APPLICATIONS_MAX = 50
CSN_MAX = 2**53 - 1  # the largest that a Lua number holds exactly
BODY_BYTES_MAX = WRITE_BYTES_MAX + 1024  # WRITE_BYTES_MAX does not count stamp, prev and origin
ITEMS_MAX = 500  # of a batch; also the pages of a part of a full state
ENTRIES_MAX = 1_000  # of a list, in a part of a full state
NAME_BYTES_MAX = 1024  # of a page, of a list, of an entry of one
QUESTION_IDS_MAX = 5_000  # of writes in a question, or in its answer
CODE_MAX, MESSAGE_MAX = 64, 2000
OUTCOME_MAX = 64 * 1024  # characters
AFTER_MAX = 10_000  # hashes of commits after a batch, in a seal
CERTIFICATE_BYTES_MAX, SIGNATURE_BYTES_MAX = 16 * 1024, 1024
SUCCESSIONS_MAX = 10_000  # with a full state

_WRITE_ID_BYTES_MAX = STAMP_DIGITS + 1 + SERVER_BYTES_MAX
_STAMP_MAX_TEXT = stamp_text(STAMP_MAX)

_WRITE_ID = re.compile(rf"[0-9]{{{STAMP_DIGITS}}}@{SERVER.pattern}")
_TEXT = re.compile(r"[^\x00-\x1f\x7f]{0,512}")
_NUMBER = re.compile(r"[0-9]{1,16}")
_DIGEST = re.compile(r"[0-9a-f]{40}")
_MEMBERSHIP = {  # op -> its arguments
    "create": ("label", "rest", "anti_entropy", "through"),
    "retire": ("label",),
    "forget": ("label", "by"),
    "return": ("label",),
    "primary": ("to", "label"),
    "activate": ("application",),
}


def problem_of(frame: Frame) -> str | None:
    """Return what is wrong with the form of a frame; None if a replica may send it."""
    match frame:
        case Hello():
            return _hello(frame)
        case Batch(_, selection):
            return _selection(selection)
        case Ack() | Holds():
            return _csn(frame.csn) or _vector(frame.vector) or _retired(frame.retired_servers)
        case Question() | Answer():
            return _question(frame)
        case StateChunk():
            return _pages(frame.pages) or _lists(frame.lists) or _commits(frame.commits)
        case StateFinish(_, _, end, proof):
            return _end(end) or (_proof(proof) if proof else None)
        case Refuse(code, message):
            right = len(code) <= CODE_MAX and len(message) <= MESSAGE_MAX and (code + message).isprintable()
            return None if right else "malformed refusal"
        case _:
            return None


def _question(frame: Question | Answer) -> str | None:
    match frame:
        case Question(csns, ids):
            right = len(csns) <= ITEMS_MAX and all(0 < csn <= CSN_MAX for csn in csns) and _are_writes(ids)
        case Answer(commits, lacking, unknown, digests):
            right = all(map(_are_writes, (filter(None, commits), lacking, unknown)))
            right = right and len(digests) in {0, len(commits)} and all(map(_is_digest, digests))
    return None if right else "malformed question or answer"


def problem_of_writes(frame: Batch | StateChunk, applications: Collection[str]) -> str | None:
    """Return what is wrong with a write of a frame; None if all writes may enter the log. `applications` has the tags
    of the applications that this replica plays."""
    played = {MEMBERSHIP, *applications}
    items: Sequence[Item | LoggedCommit] = frame.selection.items if isinstance(frame, Batch) else frame.commits
    for item in items:
        if isinstance(item, Item) and item.is_notification:
            continue
        if len(item.body) > BODY_BYTES_MAX:
            return f"{item.id} has more than {BODY_BYTES_MAX} bytes"
        try:
            write = Summary.of(item.body)
        except ValueError as reason:
            return f"{item.id}: {reason}"
        if write.id != item.id or write.app not in played:
            return f"{item.id} has the body of {write.id}, or this replica has no application {write.app}"
        if write.page_count > PAGES_MAX:
            return f"{item.id} declares more than {PAGES_MAX} pages"
        if not (NAME.fullmatch(write.user) and NAME.fullmatch(write.request)):
            return f"{item.id} has an invalid user or request"
        if write.app == MEMBERSHIP and not _is_membership(Write.decode(item.body)):
            return f"{item.id} is an invalid membership write"
    return None


def _is_membership(write: Write) -> bool:
    op, args = write.op, write.args
    wanted = _MEMBERSHIP.get(op)
    if wanted is None or write.pages != ("members",):
        return False
    texts = {name: text for name, text in args.items() if name not in {"epoch", "heals"}}
    if not set(wanted) <= set(args) or not all(
        isinstance(text, str) and _TEXT.fullmatch(text) for text in texts.values()
    ):
        return False
    if op == "create":
        labels = LABEL.fullmatch(args["label"]) and LABEL.fullmatch(args["through"])
        return bool(labels and split_address(args["rest"]) and split_address(args["anti_entropy"]))
    if op in {"forget", "return"}:
        return LABEL.fullmatch(args["label"]) is not None
    if op == "primary":
        servers = [args[name] for name in ("from", "to") if name in args]
        is_whole = all(map(_is_server, servers)) and type(args.get("heals", False)) is bool
        return is_whole and (("from" in args) != (type(args.get("epoch")) is int))
    return op != "activate" or TAG.fullmatch(args["application"]) is not None


def _hello(hello: Hello) -> str | None:
    right = (
        _is_server(hello.server)
        and LABEL.fullmatch(hello.label)
        and _TEXT.fullmatch(hello.cluster)
        and (not hello.birth or _is_server(hello.birth))
        and len(hello.applications) <= APPLICATIONS_MAX
        and all(map(_TEXT.fullmatch, hello.applications))
        and all(map(_TEXT.fullmatch, hello.applications.values()))
        and len(hello.log_applications) <= APPLICATIONS_MAX
        and all(map(_TEXT.fullmatch, hello.log_applications))
        and len(hello.settings) <= APPLICATIONS_MAX
        and _is_digest(hello.digest)
        and all(map(_TEXT.fullmatch, (*hello.settings, *hello.settings.values())))
        and 0 <= hello.clock <= STAMP_MAX
        and (hello.csn > 0) == bool(hello.last)
        and (not hello.last or _is_write(hello.last))
    )
    if not right:
        return "invalid server, label, cluster, applications, settings, clock or last write"
    return (
        _history(hello.history, hello.birth, hello.csn)
        or _csn(hello.csn)
        or _vector(hello.vector)
        or _retired(hello.retired_servers)
    )


def _selection(selection: Selection) -> str | None:
    if len(selection.items) > ITEMS_MAX:
        return f"a batch has more than {ITEMS_MAX} writes"
    csns = [item.csn for item in selection.items]
    commits = len(csns) - csns.count(None)
    last_csn = selection.after_csn + commits
    if _csn(selection.after_csn) or _csn(last_csn):
        return "invalid CSN"
    if csns[:commits] != [*range(selection.after_csn + 1, last_csn + 1)]:
        return "a batch must have commits with consecutive CSNs, and after them only tentative writes"
    ids = [item.id for item in selection.items] + ([selection.after_id] if selection.after_id else [])
    if not all(map(_is_write, ids)):
        return "invalid write id"
    if len(selection.seals) > ITEMS_MAX or not all(map(_is_seal, selection.seals)):
        return "invalid seal"
    return _history(selection.history)


def _pages(pages: StatePages) -> str | None:
    """Return what is wrong with the JSON text of these pages; None if nothing is wrong. The check is strict because
    Redis reads this text with its own parser."""
    if pages.count > ITEMS_MAX:
        return f"a part has more than {ITEMS_MAX} pages"
    try:
        found = json.loads(pages.text.decode())
        right = type(found) is list and len(found) == pages.count and {*map(type, found)} <= {list}
        texts = [text for name, csn, fields in found for text in (name, csn, *fields)] if right else []
        "".join(texts).encode()  # TypeError if one is not text, ValueError for half a surrogate pair
        right = right and all(type(page[2]) is list for page in found)
    except (TypeError, ValueError, RecursionError):
        right, found = False, []
    if not right:
        return "malformed pages"
    if any(len(fields) % 2 for _, _, fields in found):
        return "a page has a field without a value"
    if not all(_NUMBER.fullmatch(csn) and int(csn) <= CSN_MAX for _, csn, _ in found):
        return "invalid CSN"
    return _names([name for name, _, _ in found])


def _lists(lists: Sequence[ListPart]) -> str | None:
    if len(lists) > ITEMS_MAX:
        return f"a part has more than {ITEMS_MAX} lists"
    if any(not 1 <= len(part.entries) <= ENTRIES_MAX for part in lists):
        return f"a part of a list has no entry, or more than {ENTRIES_MAX}"
    return _names([name for part in lists for name in (part.name, *part.entries)])


def _commits(commits: Sequence[LoggedCommit]) -> str | None:
    if len(commits) > ITEMS_MAX:
        return f"a part has more than {ITEMS_MAX} commits"
    first = commits[0].csn if commits else 1
    right = 0 < first <= CSN_MAX - ITEMS_MAX and [one.csn for one in commits] == [*range(first, first + len(commits))]
    right = right and all(_is_write(one.id) for one in commits)
    right = right and all(len(one.outcome) <= OUTCOME_MAX for one in commits)
    return None if right else "malformed commits of the log"


def _is_digest(text: str) -> bool:
    return not text or _DIGEST.fullmatch(text) is not None


def _names(names: Sequence[str]) -> str | None:
    return None if all(0 < len(name.encode()) <= NAME_BYTES_MAX for name in names) else "invalid name"


def _end(end: StateEnd) -> str | None:
    right = end.clock <= STAMP_MAX and _is_server(end.birth) and _is_server(end.primary) and end.history != "[]"
    if not right or (end.csn > 0) != bool(end.last) or (end.last and not _is_write(end.last)):
        return "inconsistent end of a full state"
    if len(end.recent) > min(RECENT_MAX, end.csn) or not all(map(_is_write, end.recent)):
        return "invalid ids of commits"
    has_before = 0 < end.commits < end.csn
    if end.commits > end.csn or has_before != bool(end.before) or (has_before and not _is_write(end.before)):
        return "invalid number of commits"
    if not _is_digest(end.digest):
        return "invalid digest"
    return _csn(end.csn) or _history(end.history, end.birth, end.csn) or _vector(end.vector)


def _proof(proof: StateProof) -> str | None:
    right = len(proof.certificate) <= CERTIFICATE_BYTES_MAX and len(proof.signature) <= SIGNATURE_BYTES_MAX
    right = right and len(proof.successions) <= SUCCESSIONS_MAX
    return None if right and all(map(_is_succession, proof.successions)) else "invalid proof of a full state"


def _is_succession(succession: Succession) -> bool:
    if len(succession.body) > BODY_BYTES_MAX or _csn(succession.csn):
        return False
    if succession.seal is not None and not _is_seal(succession.seal):
        return False
    try:
        write = Write.decode(succession.body)
    except ValueError:
        return False
    return write.app == MEMBERSHIP and write.op == "primary" and _is_membership(write)


def _is_seal(seal: Seal) -> bool:
    return (
        0 < seal.csn <= CSN_MAX
        and len(seal.before) == HASH_BYTES
        and len(seal.after) <= AFTER_MAX * HASH_BYTES
        and len(seal.certificate) <= CERTIFICATE_BYTES_MAX
        and len(seal.signature) <= SIGNATURE_BYTES_MAX
    )


def _history(text: str, birth: str | None = None, csn: int = CSN_MAX) -> str | None:
    """Return what is wrong with a history; None if the history is valid. The epochs must be numbered 0, 1, 2 and so on.
    An epoch must not begin before the previous epoch begins, or after the CSN `csn`. A history may have no epochs.

    If `birth` is a server id, this server must have begun the first epoch, with CSN 1. If `birth` is empty, the history
    must have no epochs.
    """
    if len(text) > HISTORY_BYTES_MAX:
        return "the history is too long"
    try:
        epochs = decode(text)
        right = all(
            (type(number), type(first), type(heals)) == (int, int, bool)
            and isinstance(promoter, str)
            and _is_server(promoter)
            for number, promoter, first, heals in epochs
        )
        right = right and all(epoch.number == number for number, epoch in enumerate(epochs))
        right = right and all(0 < before.first_csn <= after.first_csn <= csn for before, after in pairwise(epochs))
    except (ValueError, TypeError, RecursionError):
        right, epochs = False, []
    if birth is not None:
        right = right and epochs[:1] in ([], [Epoch(0, birth, 1)] if birth else [])
    return None if right and len(epochs) <= EPOCHS_MAX else "invalid history"


def _csn(csn: int) -> str | None:
    return None if 0 <= csn <= CSN_MAX else "invalid CSN"


def _vector(vector: Vector) -> str | None:
    if len(vector) > SERVERS_MAX:
        return f"a vector has more than {SERVERS_MAX} servers"
    right = all(0 <= stamp <= STAMP_MAX for stamp in vector.values()) and all(map(_is_server, vector))
    return None if right else "invalid vector"


def _retired(servers: Iterable[str]) -> str | None:
    found = list(servers)
    return None if len(found) <= SERVERS_MAX and all(map(_is_server, found)) else "invalid retired servers"


def _is_server(text: str) -> bool:
    return len(text) <= SERVER_BYTES_MAX and SERVER.fullmatch(text) is not None


def _are_writes(texts: Iterable[str]) -> bool:
    found = list(texts)
    return len(found) <= QUESTION_IDS_MAX and all(map(_is_write, found))


def _is_write(text: str) -> bool:
    return (
        len(text) <= _WRITE_ID_BYTES_MAX
        and _WRITE_ID.fullmatch(text) is not None
        and text[:STAMP_DIGITS] <= _STAMP_MAX_TEXT
    )
