"""The error for an event that has to be skipped."""


class UnusableError(Exception):
    """Raised for an event that cannot be read. The text of the error is the reason, as the end of a sentence.

    expected  True if nothing is wrong: the event names no room, or it is cancelled and was never imported
    """

    def __init__(self, why: str, *, expected: bool = False) -> None:
        super().__init__(why)
        self.expected = expected
