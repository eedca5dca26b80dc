"""An operation-based set (the observed-remove set of Shapiro et al. 2011): replicas exchange operations, not states.

Concurrent operations commute, so it is enough that each replica takes each operation once, behind those that its
origin had taken when it made it (causal delivery). That is kept here: by number for each origin, and what comes too
early waits. An addition and a removal at the same time: the addition wins. It knows nothing of rooms.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Element = TypeVar("Element", bound=Hashable)
Tag = tuple[str, int]  # of an addition: its origin and number, unique


@dataclass(frozen=True, slots=True)
class Operation(Generic[Element]):
    """The `number`th operation of `origin`, which had taken `seen` operations of each replica before.

    An addition has no `observed`; a removal takes away the additions that its origin had `observed`.
    """

    origin: str
    number: int
    seen: Mapping[str, int]
    element: Element
    observed: frozenset[Tag] | None = None

    @property
    def tag(self) -> Tag:
        return self.origin, self.number


@dataclass(slots=True)
class OperationSet(Generic[Element]):
    """One replica. `log` has all operations that it has taken, in their order; others may be given any of them."""

    replica: str
    log: list[Operation[Element]] = field(default_factory=list)
    _seen: dict[str, int] = field(default_factory=dict)
    _tags: dict[Tag, Element] = field(default_factory=dict)
    _waiting: dict[Tag, Operation[Element]] = field(default_factory=dict)

    @property
    def elements(self) -> frozenset[Element]:
        return frozenset(self._tags.values())

    def add(self, element: Element) -> None:
        self._make(element, None)

    def remove(self, element: Element) -> None:
        """Takes away every addition of it that is known here."""
        self._make(element, frozenset(tag for tag, held in self._tags.items() if held == element))

    def receive(self, operation: Operation[Element]) -> None:
        """Take an operation now, or once those before it have come; one that was taken already changes nothing."""
        if operation.number <= self._seen.get(operation.origin, 0):
            return
        self._waiting[operation.tag] = operation
        while ready := next((waiting for waiting in self._waiting.values() if self._is_next(waiting)), None):
            del self._waiting[ready.tag]
            self._take(ready)

    def _make(self, element: Element, observed: frozenset[Tag] | None) -> None:
        number = self._seen.get(self.replica, 0) + 1
        self._take(Operation(self.replica, number, dict(self._seen), element, observed))

    def _is_next(self, operation: Operation[Element]) -> bool:
        return self._seen.get(operation.origin, 0) + 1 == operation.number and all(
            self._seen.get(replica, 0) >= count for replica, count in operation.seen.items()
        )

    def _take(self, operation: Operation[Element]) -> None:
        self._seen[operation.origin] = operation.number
        self.log.append(operation)
        if operation.observed is None:
            self._tags[operation.tag] = operation.element
        for tag in operation.observed or ():
            self._tags.pop(tag, None)
