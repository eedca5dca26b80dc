"""The pages that an application of the model may read and change while it plays one write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Pages = dict[str, dict[str, str]]


class Failed(Exception):
    """The application cannot play the write, which gets the outcome `failed`. In the engine, a write gets this outcome
    if the Lua of the application raises an error."""


class Desk:
    """Access to the pages that a write declares. Changes go to copies in `changes`; the given pages stay unchanged."""

    def __init__(self, pages: Mapping[str, dict[str, str]], declared: Iterable[str]) -> None:
        self._pages = pages
        self._declared = frozenset(declared)
        self.changes: Pages = {}

    def declares(self, page: str) -> bool:
        return page in self._declared

    def read(self, page: str) -> Mapping[str, str]:
        """Return the fields of a page; raise Failed if the write does not declare the page."""
        if page not in self._declared:
            raise Failed
        return self.changes[page] if page in self.changes else self._pages.get(page, {})

    def open(self, page: str) -> dict[str, str]:
        """Return the copy of a page in `changes`. The caller may change this copy."""
        if page not in self.changes:
            self.changes[page] = dict(self.read(page))
        return self.changes[page]
