"""Shows the frames that servers send in a step of a lesson, and the size of each frame on the wire."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from bayou.frames import Ack, Batch, Done, Frame, Hello, StateChunk, StateFinish
from bayou.payloads import Item
from bayou.stamps import split_id
from cluster.language.printing import Names, stamp_text, vector_text
from cluster.language.world import World
from replica.anti_entropy.protobuf_codec import encode
from replica.events.marks import MARKS, paint

BYTES_SHOWN = 12
Sent = tuple[str, str, Frame]  # label of the sender, label of the receiver, the frame


def frame_blocks(sent: Sequence[Sent], world: World, names: Names, width: int) -> Iterator[list[str]]:
    """Yield the lines of each frame: first its size and its first bytes, then its content. A line of the content has at
    most `width` characters. Stamps are in seconds since the beginning of the script."""
    sizes = [len(_wire(frame)) for _, _, frame in sent]
    block = [paint(f"{len(sent)} frames, {sum(sizes)} bytes before HTTP/2 and TLS", attrs=["bold"])]
    begun = False
    for (here, there, frame), size in zip(sent, sizes, strict=True):
        if isinstance(frame, Hello) and begun:
            block.append(paint("another session", attrs=["bold"]))
        begun = not isinstance(frame, Hello)
        shown = _wire(frame)[:BYTES_SHOWN].hex(" ") + (" …" if size > BYTES_SHOWN else "")
        who = f"{world.id_of(here)} → {world.id_of(there)}  {type(frame).__name__:<6}"
        block.append(f"{paint(who, attrs=['bold'])}{size:>5} B  {paint(shown, attrs=['dark'])}")
        for line in _content(frame, names):
            block += textwrap.wrap(
                line, width, initial_indent="    ", subsequent_indent="      ", break_on_hyphens=False
            )
        yield block
        block = []


def screenfuls(blocks: Sequence[Sequence[str]], height: int | None) -> Iterator[list[str]]:
    """Divide blocks into screens of at most `height` lines. A block with more lines gets a screen of its own. If
    `height` is None, all blocks are on one screen."""
    screen: list[str] = []
    for block in blocks:
        if screen and height is not None and len(screen) + len(block) > height:
            yield screen
            screen = []
        screen.extend(block)
    yield screen


def _content(frame: Frame, names: Names) -> Iterator[str]:
    match frame:
        case Hello():
            yield f"I hold all commits up to CSN {frame.csn} and all writes up to V {vector_text(frame.vector, names)}."
        case Batch(selection=selection):
            for item in selection.items:
                yield from _item(item, names)
        case Ack():
            if frame.replan:
                yield (
                    f"Plan again what to send me. I hold all commits up to CSN {frame.csn}"
                    f" and all writes up to V {vector_text(frame.vector, names)}."
                )
            else:
                yield f"I have your frame.{f' My last commit is CSN {frame.csn}.' if frame.csn else ''}"
        case StateChunk():
            parts = {"page": frame.pages.count, "list": len(frame.lists), "commit": len(frame.commits)}
            counts = [f"{count} {name}{'s' if count > 1 else ''}" for name, count in parts.items() if count]
            yield f"A part of my committed state: {', '.join(counts) or 'nothing'}."
        case StateFinish():
            yield "That was the whole state: install it."
        case Done():
            yield "I have nothing more to send."


def _item(item: Item, names: Names) -> Iterator[str]:
    stamp, server = split_id(item.id)
    write = f"{stamp_text(stamp)}@{names.name(server)}"
    number = f"{MARKS['committed'][0]} #{item.csn}" if item.csn is not None else MARKS["tentative"][0]
    if item.is_notification:
        yield f"{number} is the write {write}, which you hold: only its number is sent."
        return
    yield f"{number} the write {write}, {len(item.body)} bytes:"
    yield item.body.decode(errors="replace").replace(",", ", ")


def _wire(frame: Frame) -> bytes:
    return encode(frame).SerializeToString()
