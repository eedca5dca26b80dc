"""Reads the targets that the setting `notify` names. The code for a kind of target is loaded when the first target of
that kind is read."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from replica.targets.message import MAIL_FORM, Target


def read_target(given: Any) -> Target:
    """Return the target that `given` describes. `given` is a URL such as mailto://…, or a mapping {command: [PROGRAM,
    ARGUMENT, ...]}. Raises ValueError if `given` is not a valid target. The text of the error contains no secrets."""
    if isinstance(given, dict) and given.keys() == {"command"}:
        from replica.targets.command import CommandTarget  # noqa: PLC0415

        return CommandTarget.read(given["command"])
    scheme = urlsplit(given).scheme if isinstance(given, str) and "://" in given else ""
    if not scheme:
        raise ValueError(f"a target is a URL, such as {MAIL_FORM}, or {{command: [PROGRAM, ARGUMENT]}}")
    if scheme in {"mailto", "mailtos"}:
        from replica.targets.mail import MailTarget  # noqa: PLC0415

        return MailTarget.read(given)
    from replica.targets.chat import ChatTarget  # noqa: PLC0415

    return ChatTarget.read(given)
