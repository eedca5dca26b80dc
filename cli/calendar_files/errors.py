"""The error for an event that has to be skipped."""


class UnusableError(Exception):
    """Raised for an event that cannot be read. The text of the error is the reason, as the end of a sentence.

    expected  whether nothing is lost by it: the event names no room, or is cancelled and was never here
    """

    def __init__(self, why: str, *, expected: bool = False) -> None:
        super().__init__(why)
        self.expected = expected
