"""Sends notifications to chats, webhooks and phones, with the package apprise. apprise takes about 25 MiB of memory, so
import this module only if a target needs it."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote, urlsplit

import apprise

from replica.targets.message import ID, USER, Message, SendError, subject_for

LOGGER = logging.getLogger("apprise")
LOGGER.propagate = False  # `send` puts what apprise says into its error
_LINE_START = re.compile(r"^.* - WARNING - ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ChatTarget:
    """A URL for apprise. In the URL, `{user}` stands for the name of the user, and `{id}` for the id of the message."""

    url: str = field(repr=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the target of a URL. Raises ValueError if apprise does not accept the URL."""
        found = cls(text)
        if not apprise.Apprise().add(found._filled("user", "id")):
            scheme = urlsplit(text).scheme
            raise ValueError(
                f"apprise does not accept this {scheme}:// URL; see https://appriseit.com/services/ for its form"
            )
        return found

    @property
    def name(self) -> str:
        return f"{urlsplit(self.url).scheme}:// target"

    def send(self, message: Message) -> None:
        service = apprise.Apprise()
        with apprise.LogCapture(level=logging.WARNING) as said:  # type: ignore[no-untyped-call]
            is_sent = service.add(self._filled(message.user, message.id)) and service.notify(
                title=subject_for(message, self.url), body=message.text, body_format=apprise.NotifyFormat.TEXT
            )
            why = " ".join(_LINE_START.sub("", said.getvalue()).split())
        if not is_sent:
            raise SendError(why or "apprise does not say why")

    def _filled(self, user: str, identifier: str) -> str:
        return self.url.replace(USER, quote(user, safe="")).replace(ID, identifier)
