"""An operation-based set: replicas exchange operations, not states. It is the observed-remove set of Shapiro et al.
(2011).

Concurrent operations commute. So the replicas become equal if each replica applies every operation once and in causal
order. In causal order, an operation of replica R comes after all operations that R had applied before. Each replica
numbers its own operations. An operation that arrives too early waits. If an addition and a removal of an element are
concurrent, the addition wins.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Element = TypeVar("Element", bound=Hashable)
Tag = tuple[str, int]  # names an addition: its origin and number


@dataclass(frozen=True, slots=True)
class Operation(Generic[Element]):
    """One operation.

    `origin` is the replica that made the operation. Each origin numbers its operations from 1, and `number` is this
    number. `seen[R]` is the number of operations of replica R that the origin had applied before this operation.

    A removal removes additions of the element. `observed` has the tag (origin, number) of each of these additions. The
    origin had applied all of them before the removal. For an addition, `observed` is None.
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
    """One replica's copy of the set. `log` has the operations that this replica has applied, oldest first. The replica
    sends the operations in `log` to other replicas."""

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
        """Remove an element. An addition that this replica has not applied yet is not removed."""
        self._make(element, frozenset(tag for tag, held in self._tags.items() if held == element))

    def has(self, operation: Operation[Element]) -> bool:
        """Return whether this replica has applied an operation."""
        return operation.number <= self._seen.get(operation.origin, 0)

    def receive(self, operation: Operation[Element]) -> None:
        """Apply an operation. If an earlier operation is missing, keep this operation until the missing one arrives. A
        duplicate changes nothing."""
        if self.has(operation):
            return
        self._waiting[operation.tag] = operation
        while ready := next((waiting for waiting in self._waiting.values() if self._is_next(waiting)), None):
            del self._waiting[ready.tag]
            self._apply(ready)

    def _make(self, element: Element, observed: frozenset[Tag] | None) -> None:
        number = self._seen.get(self.replica, 0) + 1
        self._apply(Operation(self.replica, number, dict(self._seen), element, observed))

    def _is_next(self, operation: Operation[Element]) -> bool:
        return self._seen.get(operation.origin, 0) + 1 == operation.number and all(
            self._seen.get(replica, 0) >= count for replica, count in operation.seen.items()
        )

    def _apply(self, operation: Operation[Element]) -> None:
        self._seen[operation.origin] = operation.number
        self.log.append(operation)
        if operation.observed is None:
            self._tags[operation.tag] = operation.element
        for tag in operation.observed or ():
            self._tags.pop(tag, None)
