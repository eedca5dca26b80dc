"""Links with mutual TLS: a peer needs a certificate from the authority of the cluster."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import requests

from apps import APPLICATIONS
from bayou.anti_entropy import Report, Session
from bayou.errors import Away
from bayou.export import export_volumes
from bayou.payloads import Item, Selection
from cluster.processes import NotServing, Processes
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.event_loop import EventLoop
from replica.anti_entropy.grpc_client import PeerClient, call_unary
from replica.anti_entropy.grpc_server import Answering, PeerServer, UnaryCall
from replica.anti_entropy.session_parts import SessionParts
from replica.anti_entropy.session_registry import SessionRegistry
from replica.anti_entropy.tls import Credentials, read_credentials, read_signing
from replica.clock import microseconds, utc_now
from replica.config import Address, ConfigError
from replica.free_addresses import free_addresses
from replica.http.export_file import write
from storage.redis.sources import MemorySource
from storage.scripts import rules_by_tag
from storage.store import Store
from tests.support.joined import ask, code, joined, reserve
from tests.support.live import ROOT, link, live, wait_until_equal
from tests.support.replica_harness import SETTINGS
from tests.support.waiting import wait_until

TIMEOUT_S = 10.0
QUIET = {"interval_s": 0, "after_write": False}
LIVELY = {"interval_s": 0.3, "debounce_ms": 1}
RULES = rules_by_tag(APPLICATIONS)
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl, which makes the certificates")


def make(folder: Path, *pairs: str) -> None:
    subprocess.run([ROOT / "deploy" / "certificates.sh", folder, *pairs], check=True, capture_output=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder of certificates. The certificates of `one` to `four` are valid for this host. The certificate of
    `other` is valid for another host only. The subfolder `strange` has a certificate of `two` from another
    authority."""
    made = tmp_path_factory.mktemp("tls")
    here = ("one", "two", "three", "four")
    make(made, *(f"{label}=127.0.0.1" for label in here), "other=10.9.8.7")
    make(made / "strange", "two=127.0.0.1")
    return made


def of(folder: Path, label: str) -> Credentials:
    found = read_credentials(SETTINGS.model_copy(update={"tls": folder}), label)
    assert found is not None
    return found


def called(credentials: Credentials | None, by: Credentials | None, label: str = "two") -> str:
    """Start the server of `one` with the credentials `credentials`. Call the server once, as the replica `label`, with
    the credentials `by`.

    Return the label in the answer, or the error message if the call failed.
    """
    address = _free()
    loop = EventLoop()
    parts = SessionParts(loop, SessionRegistry("one"), None, print, credentials)  # type: ignore[arg-type]
    server = PeerServer(address, parts, Answering(lambda _: False, lambda _: False, lambda: False, print, print))
    server.start({"Create": UnaryCall(wire.CreateRequest, lambda _: wire.CreateReply(label="one"))})
    try:
        return call_unary(address, "Create", wire.CreateRequest(label=label), wire.CreateReply, TIMEOUT_S, by).label
    except Away as away:
        return away.message
    finally:
        loop.wait(server.stop())
        loop.close()


def test_a_replica_with_a_certificate_of_the_authority_is_answered(folder: Path) -> None:
    assert called(of(folder, "one"), of(folder, "two")) == "one"


def test_a_caller_whose_request_names_another_replica_is_refused(folder: Path) -> None:
    text = called(of(folder, "one"), of(folder, "two"), "three")
    assert "the request names three, but the certificate is for two" in text


def test_a_caller_without_a_certificate_of_the_authority_is_not_answered(folder: Path) -> None:
    one, stranger = of(folder, "one"), of(folder / "strange", "two")
    assert "the TLS handshake failed" in called(one, stranger)
    assert "the TLS handshake failed" in called(None, one)
    assert "has no certificate" in called(one, None)
    mixed = Credentials(one.authority, stranger.certificate, stranger.key)  # has a certificate of another CA
    assert "has no certificate" in called(one, mixed)


def test_a_certificate_is_valid_for_its_host_only(folder: Path) -> None:
    assert "not valid for this address" in called(of(folder, "other"), of(folder, "two"))


def test_an_error_names_the_file_and_the_problem(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"five\.pem cannot be read"):
        of(folder, "five")
    for name in ("ca.pem", "one.pem"):
        shutil.copy(folder / name, tmp_path)
    shutil.copy(folder / "two.key", tmp_path / "one.key")
    with pytest.raises(ConfigError, match=r"one\.pem cannot be used: KEY_VALUES_MISMATCH"):
        of(tmp_path, "one")
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigError, match=r"ca\.pem cannot be used"):
        of(tmp_path, "one")


@pytest.mark.process
def test_replicas_meet_under_tls(folder: Path, tmp_path: Path) -> None:
    with live(tmp_path / "tls", ("one", "two"), tls=str(folder)) as processes:
        one = processes.rest("one").get("/replica")["id"]
        wait_until(lambda: processes.rest("two").get("/replica")["birth"] == one)
        plain = grpc.insecure_channel(str(processes.settings.replica("one").anti_entropy))
        with pytest.raises(grpc.FutureTimeoutError):
            grpc.channel_ready_future(plain).result(timeout=1)
        plain.close()


@pytest.mark.process
def test_a_replica_with_the_certificate_of_another_does_not_start(folder: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(folder, mixed)
    for suffix in ("pem", "key"):
        shutil.copy(folder / f"one.{suffix}", mixed / f"two.{suffix}")
    with (
        pytest.raises(NotServing, match=r"two\.pem cannot be used to sign commits: its name \(CN\) is not two"),
        live(tmp_path / "tls", ("one", "two"), tls=str(mixed)),
    ):
        pass


@pytest.mark.process
def test_a_hello_in_another_name_is_refused(folder: Path, tmp_path: Path) -> None:
    with live(tmp_path / "tls", ("one", "two"), tls=str(folder), anti_entropy=QUIET) as processes:
        report = Liar(processes, folder, "three", certificate="two").session("one")
        assert report.error is not None
        assert report.code == "certificate_differs"
        assert "has the label three and the id three~aaaaaa, but the certificate is for two" in report.error.message


class Liar:
    """A replica that runs in the process of the test. It has sessions with real replicas.

    `label` is the label of this replica. Its certificate is the certificate for the label `certificate`. If
    `certificate` is empty, its certificate is the certificate for `label`.
    """

    def __init__(self, processes: Processes, folder: Path, label: str, *, certificate: str = "") -> None:
        self.settings = processes.settings
        self.store = Store(MemorySource().client(), label, APPLICATIONS)
        self.store.begin(server=f"{label}~aaaaaa", cluster=self.settings.cluster_id, first_primary=False)
        self._label = label
        self._credentials = of(folder, certificate or label)
        self._signing = read_signing(SETTINGS.model_copy(update={"tls": folder}), certificate or label)

    def session(self, peer: str, *, signs: bool = True) -> Report:
        """Run a session with the replica `peer`. If `signs` is false, the liar sends commits without seals, and accepts
        commits without seals."""

        def make(*, initiator: bool, stands: bool) -> Session:
            assert not stands
            signing = self._signing if signs else None
            now_us = lambda: microseconds(utc_now())  # noqa: E731
            return Session(self.store, RULES, initiator=initiator, clock_us=now_us, signing=signing)

        loop = EventLoop()
        parts = SessionParts(loop, SessionRegistry(self._label), make, lambda _: None, self._credentials)
        client = PeerClient(peer, self.settings.replica(peer).anti_entropy, parts, print)
        try:
            return loop.wait(client.call())
        finally:
            loop.wait(client.close())
            loop.close()


@pytest.mark.process
def test_a_forged_commit_is_refused_over_the_network_and_in_a_file(folder: Path, tmp_path: Path) -> None:
    with live(tmp_path / "tls", ("one", "two"), tls=str(folder), anti_entropy=QUIET) as processes:
        one, two = processes.rest("one"), processes.rest("two")
        two.post("/replica/sync/one")
        assert reserve(str(processes.settings.replica("one").rest), "r1", 9).status_code == 201
        two.post("/replica/sync/one")
        liar = Liar(processes, folder, "three")
        assert liar.session("two").error is None
        state = liar.store.state()
        assert state.csn == one.get("/replica")["csn"]
        (entry,) = [entry for entry in liar.store.log(None, 1000) or () if entry.write.request == "r1"]
        forged = replace(entry.write, origin="three~aaaaaa", prev=0, stamp=entry.write.stamp + 5, request="r2")
        item = Item(forged.id, state.csn + 1, forged.encode())
        assert liar.store.receive(Selection(state.csn, state.last, (item,), state.history), "x").status == "taken"
        report = liar.session("two", signs=False)
        assert report.error is not None
        assert report.code == "commit_not_signed"
        assert "three has commits up to CSN" in report.error.message
        assert (
            "without a valid signature of the primary (one). So two does not take these commits" in report.error.message
        )
        file = b"".join(write(export_volumes(liar.store, RULES, state.csn, state.vector, 1 << 20)))
        answer = requests.post(
            f"http://{processes.settings.replica('two').rest}/replica/import",
            data=file,
            headers={"Content-Type": "application/octet-stream"},
            timeout=TIMEOUT_S,
        )
        assert code(answer) == (409, "commit_not_signed")
        assert two.get("/replica")["csn"] == state.csn
        assert ask(str(processes.settings.replica("two").rest), "GET", "/reservations/vish/r2").status_code == 404
        assert liar.session("two").error is None  # sends the write as a tentative one
        assert two.get("/replica")["csn"] == state.csn


@pytest.mark.process
def test_commits_are_passed_on_and_primaries_change_under_tls(folder: Path, tmp_path: Path) -> None:
    with live(tmp_path / "tls", tls=str(folder), anti_entropy=LIVELY) as processes:
        one, two, three = (str(processes.settings.replica(label).rest) for label in processes.labels)
        link(processes, "one", "three", up=False)

        def is_committed(at: str, request: str) -> bool:
            return bool(ask(at, "GET", f"/reservations/vish/{request}").json().get("state") == "committed")

        assert reserve(one, "r1", 9).status_code == 201
        assert reserve(three, "r2", 10).status_code == 201
        wait_until(lambda: all(is_committed(at, request) for at in (one, two, three) for request in ("r1", "r2")))
        assert ask(two, "POST", "/replica/promote", {}).status_code == 200
        assert reserve(one, "r3", 11).status_code == 201
        wait_until(lambda: all(is_committed(at, "r3") for at in (one, two, three)))
        processes.stop("two")
        link(processes, "one", "three", up=True)
        assert ask(three, "POST", "/replica/promote", {"force": True}).status_code == 200
        assert reserve(one, "r4", 12).status_code == 201
        wait_until(lambda: all(is_committed(at, "r4") for at in (one, three)))
        assert ask(three, "POST", "/replica/truncate", {"keep": 0}).status_code == 200
        processes.start("two")
        processes.wait_until_serving("two")
        wait_until_equal(processes)
        assert is_committed(two, "r4")


@pytest.mark.process
def test_a_server_joins_under_tls_and_its_peers_call_it(folder: Path, tmp_path: Path) -> None:
    with live(tmp_path / "tls", ("one", "two"), tls=str(folder), anti_entropy=QUIET) as processes:
        one = str(processes.settings.replica("one").rest)
        with joined(processes, "four") as four:
            four.start("--join", "one")
            assert four.status is None, four.output
            assert reserve(four.identity["rest"], "r1", 9).json()["state"] == "tentative"
            assert ask(one, "POST", "/replica/sync/four").status_code == 200
            assert ask(four.identity["rest"], "POST", "/replica/sync/one").status_code == 200
            assert ask(four.identity["rest"], "GET", "/reservations/vish/r1").json()["state"] == "committed"


def test_a_signature_counts_only_with_a_certificate_of_the_authority(folder: Path) -> None:
    settings = SETTINGS.model_copy(update={"tls": folder})
    one, two = read_signing(settings, "one"), read_signing(settings, "two")
    stranger = read_signing(SETTINGS.model_copy(update={"tls": folder / "strange"}), "two")
    assert one is not None
    assert two is not None
    assert stranger is not None
    signature = one.sign(b"text")
    assert two.signer_of(one.certificate, signature, b"text") == "one"
    for certificate, signed, text in (
        (one.certificate, signature, b"another"),
        (two.certificate, signature, b"text"),
        (stranger.certificate, stranger.sign(b"text"), b"text"),
        (b"nothing", signature, b"text"),
        (one.certificate, b"", b"text"),
    ):
        assert two.signer_of(certificate, signed, text) is None
    assert read_signing(SETTINGS, "one") is None


def _free() -> Address:
    host, _, port = next(free_addresses(1)).rpartition(":")
    return Address(host, int(port))
