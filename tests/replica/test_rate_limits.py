"""Limits for one user and for one address: requests, streams of events, and requests that wait."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from bayou.errors import TooMany
from cli.main import main
from cluster.processes import Processes
from replica.config import RequestSettings, parse
from replica.http import rate_limit
from replica.http.connections import network_of
from replica.http.rate_limit import BURST_S, USER, RateLimit
from tests.support.live import live
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

BOUND_S = 30
RATE = 5  # requests a second
FEW = {"requests": {"user_per_s": RATE, "address_per_s": RATE}}
# The token of a client session that has read {"one~zzzzzz": 9000000000000000}.
AHEAD = "eyJyIjp7Im9uZX56enp6enoiOjkwMDAwMDAwMDAwMDAwMDB9LCJ3Ijp7fX0"
DEFAULTS = RequestSettings().model_dump()


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A replica that allows only few requests a second. 127.0.0.9 is the address of its proxy."""
    with live(tmp_path_factory.mktemp("few"), ("one",), proxies=["127.0.0.9"], **FEW) as processes:
        yield processes


def ask(
    processes: Processes, path: str, source: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> tuple[int, dict[str, str], Any]:
    """Send a request from the address `source`. Return the status, the headers and the JSON of the answer."""
    address = processes.settings.replica("one").rest
    with requests.Session() as session:
        session.mount("http://", _From(source))
        answer = session.request(method, f"http://{address}{path}", headers=headers, timeout=BOUND_S)
        return answer.status_code, dict(answer.headers), answer.json() if answer.content else None


class _From(requests.adapters.HTTPAdapter):
    def __init__(self, source: str) -> None:
        self._source = source
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, source_address=(self._source, 0), **more)


def used_up(processes: Processes, source: str, headers: Mapping[str, str] | None = None) -> tuple[dict[str, str], Any]:
    """Send requests until the replica refuses a request. Return the headers and the error of the refusal."""
    for _ in range(40 * RATE * BURST_S):
        status, found, answer = ask(processes, "/login", source, headers)
        if status == 429:
            return found, answer["error"]
        assert status == 200
    raise AssertionError("no request was refused")


def test_an_address_that_sends_too_much_is_refused_for_a_while_and_others_are_served(few: Processes) -> None:
    headers, error = used_up(few, "127.0.0.2")
    assert error["code"] == "too_many_requests"
    assert int(headers["Retry-After"]) == error["details"]["retry_after_s"] >= 1
    assert "Try again in" in error["message"]
    assert ask(few, "/login", "127.0.0.3")[0] == 200
    wait_until(lambda: ask(few, "/login", "127.0.0.2")[0] == 200)


def test_behind_a_proxy_the_forwarded_address_counts_and_the_proxy_has_no_limit(few: Processes) -> None:
    seven = {"X-Forwarded-For": "198.51.100.7"}
    used_up(few, "127.0.0.9", seven)
    assert ask(few, "/login", "127.0.0.9", {"X-Forwarded-For": "198.51.100.8"})[0] == 200
    # Only the address that the proxy adds on the right counts. A client may have added others on the left.
    both = {"X-Forwarded-For": "198.51.100.8, 198.51.100.7"}
    wait_until(lambda: used_up(few, "127.0.0.9", seven) and ask(few, "/login", "127.0.0.9", both)[0] == 429)
    for _ in range(2 * RATE * BURST_S):
        assert ask(few, "/login", "127.0.0.9")[0] == 200
    assert ask(few, "/login", "127.0.0.4", {"X-Forwarded-For": "198.51.100.7"})[0] == 200  # no proxy


def test_the_command_line_reports_the_limit_and_tries_again_later(
    few: Processes, capsys: pytest.CaptureFixture[str]
) -> None:
    def is_told() -> bool:
        used_up(few, "127.0.0.1")  # a slow client may come after the limit has ended
        assert main(["vish", "rooms", "--config", str(few.configuration)]) == 0
        return "too many requests from here; trying again in" in capsys.readouterr().err

    wait_until(is_told)


def test_a_user_with_a_token_is_limited_at_all_addresses_together_and_other_users_are_not(tmp_path: Path) -> None:
    with live(tmp_path, ("one",), auth="tokens", **FEW) as processes:
        operator = {"Authorization": f"Bearer {(tmp_path / 'data/one/operator.token').read_text().strip()}"}
        tokens = {}
        for name in ("vish", "neil"):
            made = requests.post(
                f"http://{processes.settings.replica('one').rest}/people",
                json={"name": name, "role": "user"},
                headers=operator,
                timeout=BOUND_S,
            )
            tokens[name] = {"Authorization": f"Bearer {made.json()['token']}"}
        for number in range(40 * RATE * BURST_S):
            if ask(processes, "/rooms", f"127.0.0.{2 + number % 2}", tokens["vish"])[0] == 429:
                break
        # A slow machine may allow some requests meanwhile, but fewer than a limit of this address would allow.
        few = (ask(processes, "/rooms", "127.0.0.4", tokens["vish"])[0] for _ in range(RATE * BURST_S // 2))
        assert 429 in few
        assert ask(processes, "/rooms", "127.0.0.2", tokens["neil"])[0] == 200
        # A request with a wrong token counts for its address. Users at the same address keep their own limits.
        wrong = {"Authorization": "Bearer vish.wrong"}
        wait_until(lambda: ask(processes, "/rooms", "127.0.0.2", wrong)[0] == 429)
        assert ask(processes, "/rooms", "127.0.0.2", tokens["neil"])[0] == 200


def test_a_class_of_40_behind_one_address_works(tmp_path: Path) -> None:
    """Each of the 40 pupils loads the web page and its scripts, keeps a stream of events open, and reserves rooms."""
    files = [f"/{path.relative_to('web')}" for path in sorted(Path("web/static").rglob("*.js"))]
    with live(tmp_path, ("one",), requests=DEFAULTS) as processes, contextlib.ExitStack() as streams:
        base = f"http://{processes.settings.replica('one').rest}"

        def pupil(number: int) -> set[int]:
            session = streams.enter_context(requests.Session())
            stream = session.get(f"{base}/events", stream=True, timeout=BOUND_S)
            found = {stream.status_code}
            found |= {session.get(base + path, timeout=BOUND_S).status_code for path in ["/", "/rooms", *files]}
            for hour in range(8):
                slot = {"start": f"2027-03-{1 + number % 28:02}T{hour:02}:00Z"}
                slot["end"] = slot["start"].replace(":00Z", ":30Z")
                body = {"room": ("6.12", "6.13")[number // 28], "slots": [slot], "merge": "give_up"}
                user = {"Bayou-User": f"pupil{number}"}
                found.add(session.post(f"{base}/reservations", json=body, headers=user, timeout=BOUND_S).status_code)
            return found

        with ThreadPoolExecutor(40) as pupils:
            assert set().union(*pupils.map(pupil, range(40))) == {200, 201}


def test_one_address_cannot_take_all_streams_and_waits(tmp_path: Path) -> None:
    with live(tmp_path, ("one",)) as processes, contextlib.ExitStack() as clients:
        address = processes.settings.replica("one").rest

        def opened(source: str, request: str) -> socket.socket:
            connection = socket.create_connection((address.host, address.port), BOUND_S, (source, 0))
            clients.enter_context(connection)
            connection.sendall(f"GET {request} HTTP/1.1\r\nHost: localhost\r\n".encode())
            return connection

        def status(connection: socket.socket) -> bytes:
            connection.sendall(b"\r\n")
            return connection.recv(1 << 10)[9:12]

        streams = [status(opened("127.0.0.2", "/events")) for _ in range(201)]
        assert (streams.count(b"200"), streams[-1]) == (200, b"429")
        assert status(opened("127.0.0.3", "/events")) == b"200"

        waiting = f"/rooms HTTP/1.1\r\nBayou-Session: {AHEAD}\r\nBayou-Wait: 20000\r\nX:"
        for connection in [opened("127.0.0.2", waiting) for _ in range(5)]:
            connection.sendall(b"\r\n")

        def is_refused() -> bool:
            """Send one more request that has to wait, and return whether the replica refuses it. The replica refuses
            such requests only after five of them have reached it."""
            connection = opened("127.0.0.2", waiting)
            connection.settimeout(1)
            try:
                return status(connection) == b"429"
            except TimeoutError:
                return False

        wait_until(is_refused)
        other = opened("127.0.0.3", waiting)
        other.sendall(b"\r\n")
        other.settimeout(1)
        with pytest.raises(TimeoutError):  # it waits
            other.recv(1)


# The count


def test_a_long_request_counts_as_several_and_the_bucket_fills_again() -> None:
    now_s = [0.0]
    rates = RateLimit(RequestSettings(user_per_s=10, address_per_s=0), lambda: now_s[0])
    client = f"{USER}vish"
    rates.charge(client, 110 * rate_limit.REQUEST_S)
    with pytest.raises(TooMany) as refused:
        rates.check(client)
    assert refused.value.details == {"retry_after_s": 2}
    rates.check(f"{USER}neil")
    now_s[0] += 2
    rates.check(client)
    for _ in range(1000):
        rates.charge("10.0.6.1", 1.0)
    rates.check("10.0.6.1")


def test_the_memory_of_clients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "BUCKETS_MAX", 100)
    now_s = [0.0]
    rates = RateLimit(RequestSettings(address_per_s=10), lambda: now_s[0])
    for number in range(10_000):
        now_s[0] += 1
        rates.charge(f"10.0.{number // 256}.{number % 256}", 0)
    assert rates.clients <= 101


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.6.1", "10.0.6.1"),
        ("::ffff:10.0.6.1", "10.0.6.1"),
        ("2001:db8::1:2:3:4", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", ""),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_replica_with_a_public_name_believes_the_proxy_beside_it() -> None:
    text = (
        "cluster: c\nprimary: one\nreplicas: {one: {rest: 127.0.0.1:8001, anti_entropy: 127.0.0.1:9001, public: a.b}}"
    )
    settings = parse(text, Path("config.yaml"))
    assert "127.0.0.1" in settings.proxies_of("one")
    assert settings.model_copy(update={"proxies": ("10.0.0.1",)}).proxies_of("one") == ("10.0.0.1",)
    assert parse(text.replace(", public: a.b", ""), Path("config.yaml")).proxies_of("one") == ()
