"""The form of names, frames and writes: sections 3.1, 4.2, 5.5, 6.1 and 6.5 of docs/protocol.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from replica.anti_entropy import a_e_pb2 as wire

PROTOCOL = 9
STAMP_MAX = 9_000_000_000_000_000
CSN_MAX = 2**53 - 1
YEAR_US = 365 * 24 * 3600 * 1_000_000
BODY_BYTES_MAX = 65 * 1024
ITEMS_MAX = 500
PAGES_MAX = 400
SERVERS_MAX = 10_000
LABEL = re.compile(r"[a-z0-9_-]{1,32}")
SERVER = re.compile(r"(?:[0-9]{16}:)*[a-z0-9_-]{1,32}~[a-z0-9]{1,16}")
WRITE_ID = re.compile(rf"[0-9]{{16}}@(?:{SERVER.pattern})")
NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._@+-]{1,64}")
TAG = re.compile(r"[a-z][a-z0-9_]{0,31}/[1-9][0-9]{0,8}")
TEXT = re.compile(r"[^\x00-\x1f\x7f]{0,512}")
MEMBERSHIP = "members/1"
OPERATIONS = {
    "create": {"label", "rest", "anti_entropy", "through"},
    "retire": {"label"},
    "forget": {"label", "by"},
    "return": {"label"},
    "primary": {"to", "label"},
    "activate": {"application"},
}
FIELDS = {"stamp", "prev", "origin", "accepted_at", "app", "args", "check", "merge", "op", "pages", "request", "user"}


def canonical(write: Mapping[str, Any]) -> bytes:
    """Return the canonical bytes of a write: stamp, prev and origin, then the other keys in alphabetical order."""
    head = ("stamp", "prev", "origin")
    ordered = [(name, write[name]) for name in (*head, *sorted(set(write) - set(head)))]
    members = (f"{_json(name)}:{_json(value)}" for name, value in ordered)
    return ("{" + ",".join(members) + "}").encode()


def identifier(write: Mapping[str, Any]) -> str:
    return f"{write['stamp']}@{write['origin']}"


def split(write_id: str) -> tuple[int, str]:
    """Return the stamp and the server of a write id."""
    return int(write_id[:16]), write_id[17:]


def read(body: bytes) -> dict[str, Any]:
    """Decode a write from its canonical bytes, `body`. Raise ValueError if the bytes are not a valid write."""
    if len(body) > BODY_BYTES_MAX:
        raise ValueError("it is longer than 65 KiB")
    write = json.loads(body.decode())
    if type(write) is not dict or set(write) != FIELDS or canonical(write) != body:
        raise ValueError("it is not in the canonical form of a write")
    pages, args = write["pages"], write["args"]
    texts = [value for name, value in write.items() if name not in {"pages", "args"}]
    if type(pages) is not list or type(args) is not dict or {*map(type, [*texts, *pages])} != {str}:
        raise ValueError("one of its members has the wrong type")
    if len(set(pages)) < len(pages) or len(pages) > PAGES_MAX:
        raise ValueError("it declares a page twice, or more than 400 pages")
    if not (re.fullmatch("[0-9]{16}", write["prev"]) and is_write_id(identifier(write))):
        raise ValueError("its stamp or its origin is invalid")
    if not (NAME.fullmatch(write["user"]) and NAME.fullmatch(write["request"])):
        raise ValueError("its user or its request id is invalid")
    if write["app"] == MEMBERSHIP and not _is_membership(write["op"], args, pages):
        raise ValueError("it is not a valid membership write")
    return write


def is_server(text: str) -> bool:
    return len(text) <= 512 and SERVER.fullmatch(text) is not None


def is_write_id(text: str) -> bool:
    return len(text) <= 529 and WRITE_ID.fullmatch(text) is not None and int(text[:16]) <= STAMP_MAX


def problem_of(frame: wire.Frame) -> str | None:
    """Return what is wrong in a frame, or None if the frame has the right form."""
    match frame.WhichOneof("kind"):
        case "hello":
            return _hello(frame.hello)
        case "batch":
            return _batch(frame.batch)
        case "ack":
            return _holding(frame.ack)
        case "holds":
            return _holding(frame.holds)
        case "refuse":
            text = frame.refuse.code + frame.refuse.message
            return None if len(text) <= 2064 and text.isprintable() else "an invalid refusal"
        case "done" | "sync" | "state_chunk" | "state_finish":
            return None
        case kind:
            return f"a minimal replica takes no frame {kind}"


def is_history(text: str, csn: int = CSN_MAX) -> bool:
    """Return whether a text is a valid history. Every epoch except the first must begin at the CSN `csn` or earlier."""
    try:
        epochs = json.loads(text)
        right = type(epochs) is list and len(epochs) <= 1000
        for number, epoch in enumerate(epochs):
            right = right and epoch[0] == number and is_server(epoch[1]) and type(epoch[2]) is int
            right = right and type(epoch[0]) is int and (epoch[3:] in ([], [True], [False]))
        firsts = [epoch[2] for epoch in epochs]
        return right and all(0 < one <= other <= csn for one, other in pairwise(firsts))
    except (ValueError, TypeError, LookupError, RecursionError):
        return False


def _hello(hello: wire.Hello) -> str | None:
    texts: Iterable[str] = [hello.cluster, *hello.applications, *hello.applications.values(), *hello.log_applications]
    right = is_server(hello.server) and LABEL.fullmatch(hello.label) and all(map(TEXT.fullmatch, texts))
    right = right and (not hello.birth or is_server(hello.birth)) and hello.clock <= STAMP_MAX
    right = right and all(map(TEXT.fullmatch, [*hello.settings, *hello.settings.values()]))
    right = right and max(len(hello.applications), len(hello.log_applications), len(hello.settings)) <= 50
    right = right and (hello.csn > 0) == bool(hello.last) and (not hello.last or is_write_id(hello.last))
    if not (right and is_history(hello.history, hello.csn)):
        return "an invalid hello"
    first = json.loads(hello.history)[:1]
    if first and (not hello.birth or first[0][:3] != [0, hello.birth, 1]):
        return "a history that does not begin with the birth"
    return _holding(hello)


def _holding(frame: wire.Hello | wire.Ack | wire.Holds) -> str | None:
    right = frame.csn <= CSN_MAX and len(frame.vector) <= SERVERS_MAX and len(frame.retired_servers) <= SERVERS_MAX
    right = right and all(map(is_server, [*frame.vector, *frame.retired_servers]))
    return None if right and all(stamp <= STAMP_MAX for stamp in frame.vector.values()) else "an invalid vector or CSN"


def _batch(batch: wire.Batch) -> str | None:
    csns = [item.csn for item in batch.items]
    commits = len(csns) - csns.count(0)
    expected = [*range(batch.after_csn + 1, batch.after_csn + commits + 1)] + [0] * (len(csns) - commits)
    if len(csns) > ITEMS_MAX or csns != expected or batch.after_csn + commits > CSN_MAX:
        return "more than 500 writes, or CSNs that are not consecutive"
    ids = [item.id for item in batch.items] + ([batch.after_id] if batch.after_id else [])
    if not all(map(is_write_id, ids)):
        return "an invalid write id"
    return None if is_history(batch.history) else "an invalid history"


def _is_membership(op: str, args: Mapping[str, Any], pages: list[str]) -> bool:
    if pages != ["members"] or not OPERATIONS.get(op, {""}) <= set(args):
        return False
    texts = [value for name, value in args.items() if name not in {"epoch", "heals"}]
    if not all(type(text) is str and TEXT.fullmatch(text) for text in texts):
        return False
    if op in {"create", "forget", "return"} and not LABEL.fullmatch(args["label"]):
        return False
    if op == "create":
        ports = [args[name].rpartition(":") for name in ("rest", "anti_entropy")]
        named = all(host and re.fullmatch("[0-9]{1,5}", port) for host, _, port in ports)
        return named and LABEL.fullmatch(args["through"]) is not None
    if op == "primary":
        servers = [args[name] for name in ("from", "to") if name in args]
        return all(map(is_server, servers)) and ("from" in args) != (type(args.get("epoch")) is int)
    return op != "activate" or TAG.fullmatch(args["application"]) is not None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
