"""The targets of notifications, each with a real server or program."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult

from replica.targets.message import Message, SendError, Target
from replica.targets.read import read_target
from tests.support.receivers import free_port, mail_server, webhook

MESSAGE = Message(
    id="0123abcd",
    at="2026-11-30T08:00:00+00:00",
    user="vish",
    about="vish/a",
    subject="6.12 on Tuesday 2026-12-01 09:00–10:00: final",
    text="6.12 on Tuesday 2026-12-01 09:00–10:00 (“standup”) is yours: final.\n\nTimes are in UTC.",
)
CERTIFICATES = Path(__file__).parent.parent.parent / "deploy" / "certificates.sh"
ADDRESSES = "from=rooms@example.org&to={user}@example.org"


def why_not_sent(target: Target, message: Message = MESSAGE) -> str:
    with pytest.raises(SendError) as caught:
        target.send(message)
    return str(caught.value)


def test_a_mail_goes_to_the_user_with_the_id_of_the_message() -> None:
    with mail_server() as server:
        read_target(f"mailto://127.0.0.1:{server.port}?{ADDRESSES}").send(MESSAGE)
    (mail,) = server.mails
    assert server.recipients == [["vish@example.org"]]
    assert (mail["From"], mail["To"], mail["Subject"]) == ("rooms@example.org", "vish@example.org", MESSAGE.subject)
    assert mail.get_all("Message-ID") == ["<0123abcd@bayou>"]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"] == "Mon, 30 Nov 2026 08:00:00 +0000"
    assert mail.get_content().splitlines() == MESSAGE.text.splitlines()


def test_a_mailbox_of_all_gets_the_name_of_the_user_in_the_subject() -> None:
    with mail_server() as server:
        read_target(f"mailto://127.0.0.1:{server.port}?from=rooms@example.org&to=all@example.org").send(MESSAGE)
    assert server.mails[0]["Subject"] == f"vish: {MESSAGE.subject}"


def test_no_text_adds_a_header_or_a_recipient() -> None:
    with mail_server() as server:
        target = read_target(f"mailto://127.0.0.1:{server.port}?{ADDRESSES}")
        assert "linefeed" in why_not_sent(target, replace(MESSAGE, subject="x\r\nBcc: evil@example.net"))
        for user in ("x@example.net", "x,evil", "x\nBcc: evil", "x evil", "<evil@example.net>"):
            assert "is not an address" in why_not_sent(target, replace(MESSAGE, user=user))
        target.send(replace(MESSAGE, user="a.b+c", text="x\r\n.\r\nMAIL FROM:<evil@example.net>\r\n"))
    assert server.recipients == [["a.b+c@example.org"]]


def test_a_password_is_not_sent_to_a_server_without_tls() -> None:
    with mail_server() as server:
        target = read_target(f"mailtos://rooms:secret@127.0.0.1:{server.port}?{ADDRESSES}")
        assert "STARTTLS" in why_not_sent(target)
        assert "secret" not in repr(target) + target.name
    assert server.mails == []


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the certificate `one`, which is valid for this machine, and the certificate authority
    `ca`."""
    folder = tmp_path_factory.mktemp("certificates") / "tls"
    subprocess.run([CERTIFICATES, folder, "one=127.0.0.1"], check=True, capture_output=True)
    return folder


def only_rooms(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    """Accept the user `rooms` with the right password, and nobody else."""
    return AuthResult(handled=False, success=(given.login, given.password) == (b"rooms", b"se:cret"))


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl, which makes the certificates")
@pytest.mark.parametrize("mode", ["starttls", "ssl"])
def test_a_mail_over_tls_with_a_password(mode: str, certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "one.pem", certificates / "one.key")
    options: dict[str, Any] = {"tls_context": context, "require_starttls": True, "auth_required": True}
    if mode == "ssl":
        options = {"ssl_context": context, "auth_require_tls": False}  # it does not see the TLS from the start
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.pem"))
    with mail_server(authenticator=only_rooms, **options) as server:
        target = f"mailtos://rooms:PASSWORD@127.0.0.1:{server.port}?{ADDRESSES}&mode={mode}"
        right = read_target(target.replace("PASSWORD", "se%3Acret"))
        right.send(MESSAGE)
        assert "535" in why_not_sent(read_target(target))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "none.pem"))
        assert "CERTIFICATE_VERIFY_FAILED" in why_not_sent(right)
    assert server.recipients == [["vish@example.org"]]


def test_a_webhook_gets_the_message_with_its_id_and_its_user() -> None:
    with webhook() as hook:
        read_target(f"json://127.0.0.1:{hook.port}/rooms?:id={{id}}&:user={{user}}").send(
            replace(MESSAGE, user="a+b&c=d")
        )
        (body,) = hook.bodies
        assert (body["title"], body["message"]) == (MESSAGE.subject, MESSAGE.text)
        assert (body["id"], body["user"]) == ("0123abcd", "a+b&c=d")
        hook.status = 500
        assert "500" in why_not_sent(read_target(f"json://127.0.0.1:{hook.port}/"))
        assert len(hook.bodies) == 2, "a failed message is not sent again"


def test_a_command_gets_the_message_as_json_and_no_shell_reads_it(tmp_path: Path) -> None:
    program = f"import pathlib, sys; pathlib.Path({str(tmp_path / 'got')!r}).write_bytes(sys.stdin.buffer.read())"
    message = replace(MESSAGE, text="$(touch /tmp/evil); `id`", user="vish")
    read_target({"command": [sys.executable, "-c", program]}).send(message)
    assert json.loads((tmp_path / "got").read_text()) == {
        "id": "0123abcd",
        "at": MESSAGE.at,
        "user": "vish",
        "about": "vish/a",
        "subject": MESSAGE.subject,
        "text": "$(touch /tmp/evil); `id`",
    }


def test_a_target_that_fails_says_why() -> None:
    port = free_port()
    assert "refused" in why_not_sent(read_target(f"mailto://127.0.0.1:{port}?{ADDRESSES}"))
    assert "Connection error" in why_not_sent(read_target(f"json://127.0.0.1:{port}/"))
    failing = read_target({"command": [sys.executable, "-c", "import sys; sys.exit('no room\\nin the inbox')"]})
    assert why_not_sent(failing) == "it ended with status 1: no room in the inbox"


def test_apprise_is_imported_only_for_a_target_that_needs_it() -> None:
    """An import of Apprise costs 25 MiB of memory. A replica without work needs only 90 MiB."""
    code = (
        "import sys; from replica.targets.read import read_target;"
        f" read_target('mailto://h?{ADDRESSES}'); read_target({{'command': ['true']}}); print('apprise' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
