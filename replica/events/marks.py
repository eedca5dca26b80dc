"""The sign and the colour of each state of a write. All terminal programs of the project use the same signs and
colours.

A tentative write is shown in black on yellow, because yellow letters cannot be read on a light terminal.
cli/output/screen.py defines the signs and colours again for the client, which shares no code with replicas.
"""

from __future__ import annotations

from collections.abc import Collection

from termcolor import colored

MARKS = {"committed": ("✓", "green"), "tentative": ("?", "on_yellow"), "rejected": ("✗", "red")}


def paint(
    text: str,
    color: str | None = None,
    attrs: Collection[str] = (),
    *,
    no_color: bool | None = None,
    force_color: bool | None = None,
) -> str:
    """Return the text in a colour of termcolor. A colour whose name begins with `on_` is a background. Text on a
    background is black and not bold, because many terminals show bold black as grey."""
    background = color if color is not None and color.startswith("on_") else None
    return colored(
        text,
        "black" if background else color,
        background,
        [attribute for attribute in attrs if not (background and attribute == "bold")],
        no_color=no_color,
        force_color=force_color,
    )
