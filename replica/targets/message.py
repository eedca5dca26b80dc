"""The messages that notify users, and the interface of the targets that send them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Protocol, Self

USER = "{user}"  # in a target: the name of the user who is told
ID = "{id}"  # in a target: the id of the message
MAIL_FORM = "mailto://HOST?from=rooms@example.org&to={user}@example.org"
TIMEOUT_S = 15.0  # of each step of an attempt


@dataclass(frozen=True, slots=True)
class Message:
    """A message for a user. The subject is one line.

    id     identifies the message. Two messages to a user about the same final outcome of a write have the same id.
    at     the time at which the message was made, as ISO 8601
    about  the id of the thing that the message is about, such as a reservation
    """

    id: str
    at: str
    user: str
    about: str
    subject: str
    text: str

    def encode(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def decode(cls, text: str) -> Self:
        return cls(**json.loads(text))


class SendError(Exception):
    """A message was not sent, or nobody knows whether it was sent. The text of the error says why."""


class Target(Protocol):
    """Sends messages to users in one way, for example by mail."""

    @property
    def name(self) -> str:
        """The name of the target in the configuration, without secrets."""

    def send(self, message: Message) -> None:
        """Try once to send a message. Raises SendError if the message was not sent. Also raises SendError if nobody
        knows whether the message was sent."""


def subject_for(message: Message, template: str) -> str:
    """Return the subject of a message. `template` is the address or the URL of the target. If `template` has no
    `{user}`, all users share the target. Then the subject begins with the user's name."""
    return message.subject if USER in template else f"{message.user}: {message.subject}"
