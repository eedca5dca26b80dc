"""The configurations of nginx in docs/operate.md, with real replicas: with tokens, and with nginx's own login."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from bayou.session_token import Token
from cluster.processes import Processes
from replica.free_addresses import free_addresses
from tests.support.browser import browser
from tests.support.forked import ForkedProcesses
from tests.support.live import ROOT, command, write_configuration
from tests.support.waiting import wait_until

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not NGINX or not shutil.which("openssl"), reason="nginx or openssl is not installed"),
    pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"),
]

DOCUMENT = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
SERVER, MAPS, LOGIN = re.findall(r"^```nginx\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
(SETTINGS,) = (
    text for text in re.findall(r"^```yaml\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL) if "auth: proxy" in text
)
HOST = "one.rooms.example.org"
PASSWORDS = {"boss": "rooms are mine", "vish": "tea at nine"}
MAIN = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {text}
}}
"""


class Site:
    """A replica behind nginx. nginx has the configuration in docs/operate.md, but listens at `port` instead of 443. The
    file `certificate` has the certificate of nginx."""

    def __init__(self, port: int, token: str, certificate: Path) -> None:
        self.port = port
        self.certificate = certificate
        self._operator = token

    def ask(self, method: str, path: str, user: str = "", token: str = "", **given: Any) -> requests.Response:
        """Send a request to nginx, with the password of `user` or with a token."""
        headers = {"Host": HOST} | ({"Authorization": f"Bearer {token}"} if token else {}) | given.pop("headers", {})
        auth = given.pop("auth", (user, PASSWORDS[user]) if user else None)
        url = f"https://127.0.0.1:{self.port}{path}"
        with requests.Session() as session:
            if source := given.pop("source", ""):
                session.mount("https://", _From(source))
            return session.request(method, url, headers=headers, auth=auth, verify=False, timeout=30, **given)

    def add(self, name: str, role: str) -> str:
        answer = self.ask("POST", "/people", token=self._operator, json={"name": name, "role": role})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])


class _From(requests.adapters.HTTPAdapter):
    def __init__(self, source: str) -> None:
        self._source = source
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, source_address=(self._source, 0), **more)


@contextlib.contextmanager
def site(folder: Path, text: str, **settings: Any) -> Iterator[Site]:
    """Run a replica with these settings, and nginx with `text` as the text of its configuration."""
    configuration = write_configuration(folder, ("one",), settings)
    written = yaml.safe_load(configuration.read_text())
    written["replicas"]["one"]["public"] = HOST
    configuration.write_text(yaml.safe_dump(written))
    processes: Processes = ForkedProcesses(configuration)
    (address,) = free_addresses(1)
    replaced = {
        "listen 443 ssl;": f"listen {address} ssl;",
        "127.0.0.1:8001": str(processes.settings.replica("one").rest),
        "/etc/ssl/rooms": f"{folder}/rooms",
        "/etc/nginx/rooms.htpasswd": f"{folder}/htpasswd",
    }
    for here, there in replaced.items():
        text = text.replace(here, there)
    _make_certificate(folder)
    _make_passwords(folder)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, text=text))
    try:
        processes.start()
        processes.wait_until_serving()
        assert NGINX
        with (folder / "nginx.log").open("w") as log:
            nginx = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf"], stderr=log)
        try:
            port = int(address.rpartition(":")[2])
            found = Site(
                port, (processes.settings.data / "one" / "operator.token").read_text().strip(), folder / "rooms.pem"
            )
            wait_until(lambda: nginx.poll() is not None or _serves(found))
            assert nginx.poll() is None, (folder / "nginx.log").read_text()
            yield found
        finally:
            nginx.terminate()
            nginx.wait(30)
    finally:
        processes.stop()


def _serves(site: Site) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return site.ask("GET", "/metrics").status_code == 403
    return False


def _make_certificate(folder: Path) -> None:
    names = (
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-subj",
        f"/CN={HOST}",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    )
    files = "-keyout", folder / "rooms.key", "-out", folder / "rooms.pem"
    subprocess.run(["openssl", "req", "-x509", "-nodes", *names, *files], check=True, capture_output=True)


def _make_passwords(folder: Path) -> None:
    lines = []
    for name, password in PASSWORDS.items():
        made = subprocess.run(["openssl", "passwd", "-apr1", password], check=True, capture_output=True, text=True)
        lines.append(f"{name}:{made.stdout.strip()}\n")
    (folder / "htpasswd").write_text("".join(lines))


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    limits = {"user_per_s": 0, "address_per_s": 0.2}
    with site(tmp_path_factory.mktemp("tokens"), SERVER, auth="tokens", requests=limits) as found:
        yield found


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site at which users log in with a password that nginx checks (`auth: proxy`)."""
    before, location, after = SERVER.partition("location / {\n")
    lines, brace, end = after.partition("    }\n")
    text = MAPS + before + location + lines + textwrap.indent(textwrap.dedent(LOGIN), " " * 8) + brace + end
    with site(tmp_path_factory.mktemp("login"), text, **yaml.safe_load(SETTINGS)) as found:
        yield found


def test_a_reservation_is_made_and_its_event_comes_at_once(tokens: Site) -> None:
    token = tokens.add("vish", "user")
    with tokens.ask("GET", "/events", token=token, stream=True) as stream:
        lines = stream.iter_lines(chunk_size=1)
        body = {"room": "6.12", "slots": [{"start": "2099-12-01T09:00Z", "end": "2099-12-01T10:00Z"}], "purpose": "tea"}
        assert tokens.ask("POST", "/reservations", token=token, json=body).json()["state"] == "committed"
        assert next(line for line in lines if line.startswith(b"event: accepted"))


def test_the_cookie_of_the_login_goes_over_https_only(tokens: Site) -> None:
    answer = tokens.ask("PUT", "/login", json={"token": tokens.add("neil", "user")})
    assert answer.status_code == 200
    assert "; Secure" in answer.headers["Set-Cookie"]


def test_metrics_are_not_shown_and_a_page_of_another_site_is_refused(tokens: Site) -> None:
    assert tokens.ask("GET", "/metrics").status_code == 403
    token = tokens.add("priyal", "user")
    answer = tokens.ask("POST", "/reservations", token=token, json={}, headers={"Origin": "https://evil.example"})
    assert answer.json()["error"]["code"] == "cross_site"


def test_large_bodies_long_addresses_and_the_largest_session_pass(tokens: Site) -> None:
    boss = tokens.add("boss", "manager")
    answer = tokens.ask("POST", "/replica/import", token=boss, data=b"x" * 3 * 1024 * 1024)
    assert answer.json()["error"]["code"].startswith("export_")
    answer = tokens.ask("GET", f"/replica/export?v={'x' * 20_000}", token=boss)
    assert answer.json()["error"]["details"]["field"] == "v"
    assert len(large_session()) > 6 * 1024
    answer = tokens.ask("GET", "/rooms", token=boss, headers={"Bayou-Session": large_session(), "Bayou-Guarantees": ""})
    assert answer.status_code == 200, answer.text
    assert (answer.status_code, len(answer.headers["Bayou-Session"]) > 6 * 1024) == (200, True)


def large_session() -> str:
    """Return a session token of nearly the greatest length."""
    token, randomness = Token(), random.Random(6)
    for _ in range(95):
        numbers = [str(randomness.randrange(10**15, 2 * 10**15)) for _ in range(6)]
        token = token.after_write(f"{':'.join(numbers[1:])}:one~aaaaaa", int(numbers[0]))
    return token.encode()


def test_limits_count_the_address_of_the_client_and_not_the_address_of_nginx(tokens: Site) -> None:
    def status(source: str, **headers: str) -> int:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return tokens.ask("GET", "/login", source=source, headers=sent).status_code

    wait_until(lambda: status("127.0.0.2", X_Forwarded_For="198.51.100.7") == 429)
    assert status("127.0.0.2", X_Forwarded_For="198.51.100.8") == 429  # what a client adds does not count
    assert status("127.0.0.3") == 200


def test_who_has_logged_in_at_nginx_is_the_user(login: Site) -> None:
    assert login.ask("GET", "/rooms").status_code == 401
    assert login.ask("GET", "/rooms", auth=("boss", "wrong")).status_code == 401
    for user, role in (("boss", "manager"), ("vish", "user")):
        assert login.ask("GET", "/login", user).json() == {"auth": "proxy", "user": user, "role": role}
    assert login.ask("GET", "/people", "boss").status_code == 200
    assert login.ask("GET", "/people", "vish").status_code == 403


def test_headers_that_a_client_sends_are_replaced(login: Site) -> None:
    for name in ("X-Forwarded-User", "x-forwarded-user", "X_Forwarded_User", "X-Forwarded_User"):
        headers = {name: "boss", name.replace("User", "Groups").replace("user", "groups"): "facility"}
        expected = {"auth": "proxy", "user": "vish", "role": "user"}
        assert login.ask("GET", "/login", "vish", headers=headers).json() == expected
        assert login.ask("GET", "/rooms", headers=headers).status_code == 401
        # nginx asks for no password here, and so it names no user.
        for more in ({"token": "boss.nonsensenonsensenonsense"}, {"auth": ("boss", "wrong")}, {}):
            answer = login.ask("GET", "/rooms/6.12/calendar.ics", headers=headers, **more)
            assert answer.status_code == 401
            assert answer.json()["error"]["code"].startswith("token_")


def test_programs_use_tokens_beside_the_login(login: Site) -> None:
    token = login.add("priyal", "user")
    assert login.ask("GET", "/login", token=token).json() == {"auth": "tokens", "user": "priyal", "role": "user"}
    answer = login.ask("GET", "/rooms/6.12/calendar.ics", auth=("priyal", token))
    assert answer.headers["Content-Type"].startswith("text/calendar")
    assert login.ask("GET", "/login", token="priyal.nonsensenonsensenonsense").status_code == 401


def test_the_command_line_speaks_to_the_proxy_with_a_token(login: Site) -> None:
    def typed(**environment: str) -> tuple[int, str]:
        words = ("client.py", "neil", "--replica", f"https://127.0.0.1:{login.port}", "rooms")
        started = command(*words, environment={"BAYOU_TOKEN": token} | environment)
        said, _ = started.communicate(timeout=60)
        return started.returncode, said

    token = login.add("neil", "user")
    status, said = typed(REQUESTS_CA_BUNDLE=str(login.certificate))
    assert (status, "6.12" in said) == (0, True), said
    status, said = typed()
    assert status == 4
    assert "is not trusted: self-signed certificate. If your organisation" in said
    assert "set the environment variable REQUESTS_CA_BUNDLE to the file with" in said


@pytest.mark.browser
def test_the_calendar_page_is_used_through_the_login(login: Site) -> None:
    body = {"room": "6.13", "slots": [{"start": "2099-12-01T09:00Z", "end": "2099-12-01T10:00Z"}], "purpose": "tea"}
    flags = (f"--host-resolver-rules=MAP {HOST}:443 127.0.0.1:{login.port}", "--ignore-certificate-errors")
    with browser(flags=flags) as page:
        page.open(f"https://vish:{PASSWORDS['vish'].replace(' ', '%20')}@{HOST}/login")
        page.open(f"https://{HOST}/login")  # a web page with a password in its address may send no requests
        page.wait_for_text("#present", "You are vish (user), as the login of the building says.")
        assert not page.run("return ['form', 'leave'].some((id) => document.getElementById(id).checkVisibility())")
        page.open(f"https://{HOST}/#day=2099-12-01")
        page.wait_for('document.querySelector(\'#calendar[aria-busy="false"][data-read="true"]\')')
        assert page.text(".known") == "vish"
        page.click('[data-room="6.12"][data-time="11:00"]')
        page.click("#form .main")
        page.wait_for("document.querySelectorAll('.block').length === 1")
        assert login.ask("POST", "/reservations", "boss", json=body).status_code == 201
        page.wait_for("document.querySelectorAll('.block').length === 2")  # it came as an event
        assert page.problems() == []
