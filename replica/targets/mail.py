"""Sends notifications by mail, with the standard library. The Message-ID of a mail is made from the id of the message.
apprise can send mail too, but it adds a Message-ID of its own, so each mail would have two."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from replica.targets.message import MAIL_FORM, TIMEOUT_S, USER, Message, SendError, subject_for

PORTS = {("mailto", "starttls"): 25, ("mailtos", "starttls"): 587, ("mailtos", "ssl"): 465}


@dataclass(frozen=True, slots=True)
class MailTarget:
    """A mail server, and the addresses for its mails. `tls` is `starttls`, `ssl` or empty. If `tls` is not empty, the
    link is encrypted and the server's certificate is checked. A `password` is allowed only if `tls` is not empty."""

    host: str
    port: int
    tls: str
    user: str
    password: str = field(repr=False)
    sender: str
    to: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the target of a URL. The URL has one of two forms:

        mailto://[USER@]HOST[:PORT]?from=…&to=…
        mailtos://[USER:PASSWORD@]HOST[:PORT]?from=…&to=…

        With mailtos, the link to the server uses TLS. A mailtos URL may also have `mode=starttls`, the default, or
        `mode=ssl`. Raises ValueError, with the reason, if the text is not a valid URL of a mail target.
        """
        try:
            url = urlsplit(text)
            pairs = parse_qsl(url.query, keep_blank_values=True, strict_parsing=True)
            host, port = url.hostname, url.port
        except ValueError:
            raise ValueError(f"this is not a mail target; write it like {MAIL_FORM}") from None
        given = dict(pairs)
        if unknown := sorted(given.keys() - {"from", "to", "mode"}) or [url.path.strip("/")] * (url.path > "/"):
            raise ValueError(
                f"{unknown[0]!r} is not allowed in a mail target; use only the parameters `from`, `to` and `mode`"
            )
        mode = given.get("mode", "starttls")
        if not host or len(given) < len(pairs) or (url.scheme, mode) not in PORTS:
            raise ValueError(f"this is not a mail target; write it like {MAIL_FORM}")
        _check_address(given.get("from", ""), f"`from` must be an address; write {MAIL_FORM}")
        _check_address(given.get("to", "").replace(USER, "user"), f"`to` must be an address; write {MAIL_FORM}")
        if url.password and url.scheme == "mailto":
            raise ValueError("a password would be sent unencrypted; write mailtos:// for a link with TLS")
        return cls(
            host=host,
            port=port or PORTS[url.scheme, mode],
            tls=mode if url.scheme == "mailtos" else "",
            user=unquote(url.username or ""),
            password=unquote(url.password or ""),
            sender=given["from"],
            to=given["to"],
        )

    @property
    def name(self) -> str:
        return f"mail through {self.host}:{self.port}"

    def send(self, message: Message) -> None:
        try:
            mail = self._mail(message)
            with self._connect() as server:
                if self.tls == "starttls":
                    server.starttls(context=ssl.create_default_context())
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(mail)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise SendError(str(error) or type(error).__name__) from None

    def _connect(self) -> smtplib.SMTP:
        if self.tls == "ssl":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_S, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S)

    def _mail(self, message: Message) -> EmailMessage:
        """Return the message as a mail. Raises ValueError if no valid address can be made from the name of the user."""
        to = self.to.replace(USER, message.user)
        _check_address(to, f"{to!r} is not an address")
        mail = EmailMessage()
        mail["From"], mail["To"] = self.sender, to
        mail["Subject"] = subject_for(message, self.to)
        mail["Date"] = format_datetime(datetime.fromisoformat(message.at))
        mail["Message-ID"] = f"<{message.id}@bayou>"
        mail["Auto-Submitted"] = "auto-generated"  # so that no program answers (RFC 3834)
        mail.set_content(f"{message.text}\n")
        return mail


def _check_address(text: str, problem: str) -> None:
    """Raise ValueError with the message `problem` if the text is not a single mail address. A display name is not
    allowed."""
    try:
        found = Address(addr_spec=text)
    except (ValueError, IndexError, MessageError):
        raise ValueError(problem) from None
    if not found.username or not found.domain or not text.isascii() or not text.isprintable() or set(text) & set(" {}"):
        raise ValueError(problem)
