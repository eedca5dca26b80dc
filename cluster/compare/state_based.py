"""State-based replicated data types (Shapiro et al., *A comprehensive study of CRDTs*, 2011): two values can be merged.

Each value is immutable. `merge` is a join: commutative, associative and idempotent. An update never leads to a smaller
value. So replicas that merge their values become equal. The order and the number of the merges do not matter.

A replica always sends its whole value. `size` is the number of elements in the value.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Element = TypeVar("Element", bound=Hashable)
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Stamp = tuple[int, str]  # a time and a server, unique for each update


@dataclass(frozen=True, slots=True)
class GrowOnlySet(Generic[Element]):
    """A set whose elements are added and never removed."""

    elements: frozenset[Element] = frozenset()

    @property
    def size(self) -> int:
        return len(self.elements)

    def add(self, element: Element) -> GrowOnlySet[Element]:
        return GrowOnlySet(self.elements | {element})

    def merge(self, other: GrowOnlySet[Element]) -> GrowOnlySet[Element]:
        return GrowOnlySet(self.elements | other.elements)


@dataclass(frozen=True, slots=True)
class TwoPhaseSet(Generic[Element]):
    """Two grow-only sets: one for added elements, and one for removed elements. A removed element can never come
    back."""

    added: frozenset[Element] = frozenset()
    removed: frozenset[Element] = frozenset()

    @property
    def elements(self) -> frozenset[Element]:
        return self.added - self.removed

    @property
    def size(self) -> int:
        return len(self.added) + len(self.removed)

    def add(self, element: Element) -> TwoPhaseSet[Element]:
        return TwoPhaseSet(self.added | {element}, self.removed)

    def remove(self, element: Element) -> TwoPhaseSet[Element]:
        """Remove an element. If the element is not in the set, nothing changes."""
        return TwoPhaseSet(self.added, self.removed | ({element} & self.added))

    def merge(self, other: TwoPhaseSet[Element]) -> TwoPhaseSet[Element]:
        return TwoPhaseSet(self.added | other.added, self.removed | other.removed)


@dataclass(frozen=True, slots=True)
class ObservedRemoveSet(Generic[Element]):
    """A set in which each addition has its own stamp. A removal removes all additions of an element that are in this
    value. A later addition has another stamp, so the element can be added again. Removed additions stay in the value
    for ever."""

    added: frozenset[tuple[Stamp, Element]] = frozenset()
    removed: frozenset[Stamp] = frozenset()

    @property
    def elements(self) -> frozenset[Element]:
        return frozenset(element for stamp, element in self.added if stamp not in self.removed)

    @property
    def size(self) -> int:
        return len(self.added) + len(self.removed)

    def add(self, element: Element, stamp: Stamp) -> ObservedRemoveSet[Element]:
        return ObservedRemoveSet(self.added | {(stamp, element)}, self.removed)

    def remove(self, element: Element) -> ObservedRemoveSet[Element]:
        observed = frozenset(stamp for stamp, held in self.added if held == element)
        return ObservedRemoveSet(self.added, self.removed | observed)

    def merge(self, other: ObservedRemoveSet[Element]) -> ObservedRemoveSet[Element]:
        return ObservedRemoveSet(self.added | other.added, self.removed | other.removed)


@dataclass(frozen=True, slots=True)
class LastWriterWinsMap(Generic[Key, Value]):
    """A map that stores, for each key, a value with a stamp. Each write has a unique stamp (time, server). The write
    with the greatest stamp wins."""

    registers: Mapping[Key, tuple[Stamp, Value]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.registers)

    def put(self, key: Key, value: Value, stamp: Stamp) -> LastWriterWinsMap[Key, Value]:
        return self.merge(LastWriterWinsMap({key: (stamp, value)}))

    def merge(self, other: LastWriterWinsMap[Key, Value]) -> LastWriterWinsMap[Key, Value]:
        merged = dict(self.registers)
        for key, register in other.registers.items():
            if key not in merged or merged[key][0] < register[0]:
                merged[key] = register
        return LastWriterWinsMap(merged)
