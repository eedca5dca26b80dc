"""Converts the frames of a session to the messages of a_e.proto, and back."""

from __future__ import annotations

from bayou.anti_entropy import ProtocolError
from bayou.frames import Ack, Batch, Done, Frame, Hello, Refuse, StateChunk, StateFinish
from bayou.payloads import Item, ListPart, Selection, StateEnd, StatePages
from replica.anti_entropy import a_e_pb2 as wire


def encode(frame: Frame) -> wire.Frame:
    """Return the message of a frame."""
    match frame:
        case Hello():
            return wire.Frame(
                hello=wire.Hello(
                    protocol=frame.protocol,
                    cluster=frame.cluster,
                    server=frame.server,
                    label=frame.label,
                    birth=frame.birth,
                    met=frame.met,
                    history=frame.history,
                    csn=frame.csn,
                    vector=frame.vector,
                    retired_servers=frame.retired_servers,
                    retired=frame.retired,
                    applications=frame.applications,
                    asks_for_tokens=frame.asks_for_tokens,
                )
            )
        case Batch(plan, selection):
            items = [wire.Item(id=item.id, csn=item.csn or 0, body=item.body) for item in selection.items]
            csn, identifier, history = selection.after_csn, selection.after_id, selection.history
            batch = wire.Batch(plan=plan, after_csn=csn, after_id=identifier, items=items, history=history)
            return wire.Frame(batch=batch)
        case Ack():
            ack = wire.Ack(plan=frame.plan, replan=frame.replan, csn=frame.csn, vector=frame.vector)
            ack.retired_servers.extend(frame.retired_servers)
            return wire.Frame(ack=ack)
        case StateChunk():
            lists = [wire.ListPart(name=part.name, entries=part.entries) for part in frame.lists]
            chunk = wire.StateChunk(plan=frame.plan, number=frame.number, first=frame.first, lists=lists)
            chunk.pages, chunk.pages_count = frame.pages.text, frame.pages.count
            return wire.Frame(state_chunk=chunk)
        case StateFinish(plan, number, end):
            return wire.Frame(
                state_finish=wire.StateFinish(
                    plan=plan,
                    number=number,
                    csn=end.csn,
                    last=end.last,
                    clock=end.clock,
                    birth=end.birth,
                    primary=end.primary,
                    history=end.history,
                    vector=end.vector,
                )
            )
        case Done():
            return wire.Frame(done=wire.Done())
        case Refuse():
            return wire.Frame(refuse=wire.Refuse(code=frame.code, message=frame.message))


def decode(message: wire.Frame) -> Frame:
    """Return the frame of a message. Raises ProtocolError if this release does not know its kind."""
    match message.WhichOneof("kind"):
        case "hello":
            hello = message.hello
            return Hello(
                protocol=hello.protocol,
                cluster=hello.cluster,
                server=hello.server,
                label=hello.label,
                birth=hello.birth,
                met=hello.met,
                history=hello.history,
                csn=hello.csn,
                vector=dict(hello.vector),
                retired_servers=tuple(hello.retired_servers),
                retired=hello.retired,
                applications=tuple(hello.applications),
                asks_for_tokens=hello.asks_for_tokens if hello.HasField("asks_for_tokens") else None,
            )
        case "batch":
            batch = message.batch
            items = tuple(Item(id=item.id, csn=item.csn or None, body=item.body) for item in batch.items)
            return Batch(batch.plan, Selection(batch.after_csn, batch.after_id, items, batch.history))
        case "ack":
            ack = message.ack
            return Ack(ack.plan, ack.replan, ack.csn, dict(ack.vector), tuple(ack.retired_servers))
        case "state_chunk":
            chunk = message.state_chunk
            pages = StatePages(chunk.pages_count, chunk.pages)
            lists = tuple(ListPart(part.name, tuple(part.entries)) for part in chunk.lists)
            return StateChunk(chunk.plan, chunk.number, chunk.first, pages, lists)
        case "state_finish":
            finish = message.state_finish
            end = StateEnd(
                csn=finish.csn,
                last=finish.last,
                clock=finish.clock,
                birth=finish.birth,
                primary=finish.primary,
                history=finish.history,
                vector=dict(finish.vector),
            )
            return StateFinish(finish.plan, finish.number, end)
        case "done":
            return Done()
        case "refuse":
            return Refuse(message.refuse.code, message.refuse.message)
    raise ProtocolError("unknown kind of frame")
