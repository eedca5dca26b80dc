"""Frames of a session to and from the messages of a_e.proto. Knows both, and nothing else."""

from __future__ import annotations

from bayou.frames import Ack, Batch, Done, Frame, Hello, Refuse
from bayou.items import Item, Selection
from bayou.reconcile import ProtocolError
from replica import a_e_pb2 as wire


def encode(frame: Frame) -> wire.Frame:
    """The message of a frame."""
    match frame:
        case Hello():
            return wire.Frame(
                hello=wire.Hello(
                    protocol=frame.protocol,
                    cluster=frame.cluster,
                    server=frame.server,
                    label=frame.label,
                    birth=frame.birth,
                    primary=frame.primary,
                    csn=frame.csn,
                    osn=frame.osn,
                    vector=frame.vector,
                    applications=frame.applications,
                )
            )
        case Batch(plan, selection):
            items = [wire.Item(id=item.id, csn=item.csn or 0, body=item.body) for item in selection.items]
            batch = wire.Batch(plan=plan, after_csn=selection.after_csn, after_id=selection.after_id, items=items)
            return wire.Frame(batch=batch)
        case Ack():
            return wire.Frame(ack=wire.Ack(plan=frame.plan, replan=frame.replan, csn=frame.csn, vector=frame.vector))
        case Done():
            return wire.Frame(done=wire.Done())
        case Refuse():
            return wire.Frame(refuse=wire.Refuse(code=frame.code, message=frame.message))


def decode(message: wire.Frame) -> Frame:
    """The frame of a message; ProtocolError when it holds none that this release knows."""
    match message.WhichOneof("kind"):
        case "hello":
            hello = message.hello
            return Hello(
                protocol=hello.protocol,
                cluster=hello.cluster,
                server=hello.server,
                label=hello.label,
                birth=hello.birth,
                primary=hello.primary,
                csn=hello.csn,
                osn=hello.osn,
                vector=dict(hello.vector),
                applications=tuple(hello.applications),
            )
        case "batch":
            batch = message.batch
            items = tuple(Item(id=item.id, csn=item.csn or None, body=item.body) for item in batch.items)
            return Batch(batch.plan, Selection(batch.after_csn, batch.after_id, items))
        case "ack":
            ack = message.ack
            return Ack(ack.plan, replan=ack.replan, csn=ack.csn, vector=dict(ack.vector))
        case "done":
            return Done()
        case "refuse":
            return Refuse(message.refuse.code, message.refuse.message)
    raise ProtocolError("a frame of an unknown kind")
