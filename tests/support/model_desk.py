"""What an application of the model sees: the pages that a write declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Pages = dict[str, dict[str, str]]


class Failed(Exception):
    """The application cannot play the write, as an error() in its rules."""


class Desk:
    """The pages that a write declares, as it changes them; the pages themselves stay as they are."""

    def __init__(self, pages: Mapping[str, dict[str, str]], declared: Iterable[str]) -> None:
        self._pages = pages
        self._declared = frozenset(declared)
        self.changes: Pages = {}

    def declares(self, page: str) -> bool:
        return page in self._declared

    def read(self, page: str) -> Mapping[str, str]:
        if page not in self._declared:
            raise Failed
        return self.changes[page] if page in self.changes else self._pages.get(page, {})

    def open(self, page: str) -> dict[str, str]:
        """The page, to be changed."""
        if page not in self.changes:
            self.changes[page] = dict(self.read(page))
        return self.changes[page]
