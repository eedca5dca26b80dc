"""Converts the frames of a session to the messages of a_e.proto, and back.

Most fields have the same name and the same kind of value in a frame and in its message. `_values` and `_read` copy
these fields.
"""

from __future__ import annotations

from collections.abc import MutableMapping, MutableSequence
from dataclasses import fields
from typing import Any, TypeVar

from bayou.anti_entropy import ProtocolError
from bayou.frames import Ack, Answer, Batch, Done, Frame, Hello, Holds, Question, Refuse, StateChunk, StateFinish, Sync
from bayou.payloads import Item, ListPart, LoggedCommit, Seal, Selection, StateEnd, StatePages, StateProof, Succession
from replica.anti_entropy import a_e_pb2 as wire

Record = TypeVar("Record", Hello, Ack, Holds, Sync, StateEnd, Refuse, Question, Answer, Seal, LoggedCommit)
_PLAIN: dict[type[Any], tuple[str, Any]] = {  # frames whose fields are those of their message -> its name, its class
    Hello: ("hello", wire.Hello),
    Ack: ("ack", wire.Ack),
    Holds: ("holds", wire.Holds),
    Sync: ("sync", wire.Sync),
    Question: ("question", wire.Question),
    Answer: ("answer", wire.Answer),
    Refuse: ("refuse", wire.Refuse),
}


def encode(frame: Frame) -> wire.Frame:
    """Convert a frame to its protobuf message."""
    match frame:
        case Batch(plan, selection):
            items = [wire.Item(id=item.id, csn=item.csn or 0, body=item.body) for item in selection.items]
            csn, identifier, history = selection.after_csn, selection.after_id, selection.history
            seals = [wire.Seal(**_values(seal)) for seal in selection.seals]
            batch = wire.Batch(plan=plan, after_csn=csn, after_id=identifier, items=items, history=history, seals=seals)
            return wire.Frame(batch=batch)
        case StateChunk(plan, number, first, pages):
            lists = [wire.ListPart(name=part.name, entries=part.entries) for part in frame.lists]
            commits = [wire.LoggedCommit(**_values(one)) for one in frame.commits]
            chunk = wire.StateChunk(plan=plan, number=number, first=first, lists=lists, commits=commits)
            chunk.pages, chunk.pages_count = pages.text, pages.count
            return wire.Frame(state_chunk=chunk)
        case StateFinish(plan, number, end, proof):
            finish = wire.StateFinish(plan=plan, number=number, **_values(end))
            if proof is not None:
                finish.proof.CopyFrom(_proof(proof))
            return wire.Frame(state_finish=finish)
        case Done():
            return wire.Frame(done=wire.Done())
        case _:
            name, message = _PLAIN[type(frame)]
            return wire.Frame(**{name: message(**_values(frame))})


def decode(message: wire.Frame) -> Frame:
    """Convert a protobuf message to its frame. Raises ProtocolError if this release does not know the kind of
    message."""
    kind = message.WhichOneof("kind")
    match kind:
        case "batch":
            batch = message.batch
            items = tuple(Item(id=item.id, csn=item.csn or None, body=item.body) for item in batch.items)
            seals = tuple(_read(Seal, seal) for seal in batch.seals)
            return Batch(batch.plan, Selection(batch.after_csn, batch.after_id, items, batch.history, seals))
        case "state_chunk":
            chunk = message.state_chunk
            pages = StatePages(chunk.pages_count, chunk.pages)
            lists = tuple(ListPart(part.name, tuple(part.entries)) for part in chunk.lists)
            commits = tuple(_read(LoggedCommit, one) for one in chunk.commits)
            return StateChunk(chunk.plan, chunk.number, chunk.first, pages, lists, commits)
        case "state_finish":
            finish = message.state_finish
            proof = _read_proof(finish.proof) if finish.HasField("proof") else None
            return StateFinish(finish.plan, finish.number, _read(StateEnd, finish), proof)
        case "done":
            return Done()
    for frame, (name, _) in _PLAIN.items():
        if name == kind:
            found: Frame = _read(frame, getattr(message, name))
            return found
    raise ProtocolError(
        "The peer sent a kind of frame that this release does not know. Run the same release on both replicas."
    )


def _proof(proof: StateProof) -> wire.StateProof:
    successions = [
        wire.Succession(csn=one.csn, body=one.body, seal=wire.Seal(**_values(one.seal)) if one.seal else None)
        for one in proof.successions
    ]
    return wire.StateProof(certificate=proof.certificate, signature=proof.signature, successions=successions)


def _read_proof(message: wire.StateProof) -> StateProof:
    successions = tuple(
        Succession(one.csn, one.body, _read(Seal, one.seal) if one.HasField("seal") else None)
        for one in message.successions
    )
    return StateProof(message.certificate, message.signature, successions)


def _values(
    record: Hello | Ack | Holds | Sync | StateEnd | Refuse | Question | Answer | Seal | LoggedCommit,
) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _read(kind: type[Record], message: Any) -> Record:
    """Return a frame, or a part of a frame, with the values of the message. A map becomes a dict, and a list becomes a
    tuple."""
    return kind(**{field.name: _plain(getattr(message, field.name)) for field in fields(kind)})


def _plain(value: Any) -> Any:
    if isinstance(value, MutableMapping):
        return dict(value)
    return tuple(value) if isinstance(value, MutableSequence) else value
