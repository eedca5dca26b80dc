"""The error for an event that has to be skipped."""


class UnusableError(Exception):
    """Raised for an event that has to be skipped. The text of the error is the reason, such as `it has no end`.
    `expected` is True if the event is valid, but names no room."""

    def __init__(self, why: str, *, expected: bool = False) -> None:
        super().__init__(why)
        self.expected = expected
