"""The sign and the colour of each state of a write. They mean the same on every terminal of the project.

A tentative write is shown in black on yellow, because yellow letters cannot be read on a light terminal.
cli/output/screen.py has the same signs and colours for the client, which shares no code with replicas.
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
    """Return the text in a colour of termcolor. A name that begins with `on_` is a background; the text on it is black,
    and not bold, because many terminals show bold black as grey."""
    background = color if color is not None and color.startswith("on_") else None
    return colored(
        text,
        "black" if background else color,
        background,
        [attribute for attribute in attrs if not (background and attribute == "bold")],
        no_color=no_color,
        force_color=force_color,
    )
