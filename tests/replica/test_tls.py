"""Links with mutual TLS: a peer needs a certificate from the authority of the cluster."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import grpc
import pytest

from bayou.errors import Away
from cluster.rest import Refused
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.grpc_transport import PeerServer, SessionParts, UnaryCall, call_unary
from replica.anti_entropy.session_registry import SessionRegistry
from replica.anti_entropy.tls import Credentials, read_credentials
from replica.config import Address, ConfigError
from replica.free_addresses import free_addresses
from tests.support.live import ROOT, live
from tests.support.replica_harness import SETTINGS
from tests.support.waiting import wait_until

TIMEOUT_S = 10.0
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl, which makes the certificates")


def make(folder: Path, *pairs: str) -> None:
    subprocess.run([ROOT / "deploy" / "certificates.sh", folder, *pairs], check=True, capture_output=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder of certificates. The certificates of `one` and `two` are valid for this host. The certificate of
    `other` is valid only for another host. The subfolder `strange` has a certificate of `two` from another
    authority."""
    made = tmp_path_factory.mktemp("tls")
    make(made, "one=127.0.0.1", "two=127.0.0.1", "other=10.9.8.7")
    make(made / "strange", "two=127.0.0.1")
    return made


def of(folder: Path, label: str) -> Credentials:
    found = read_credentials(SETTINGS.model_copy(update={"tls": folder}), label)
    assert found is not None
    return found


def called(credentials: Credentials | None, by: Credentials | None, label: str = "two") -> str:
    """Start a server with `credentials`, and make one unary call to this server in the name of `label`, with the
    credentials `by`.

    Return the label in the answer, or the error message if the call failed.
    """
    address = _free()
    parts = SessionParts(SessionRegistry("one"), lambda _: None, print, credentials)  # type: ignore[arg-type,return-value]
    server = PeerServer(address, parts, lambda _: False, print)
    server.start({"Create": UnaryCall(wire.CreateRequest, lambda _: wire.CreateReply(label="one"))})
    try:
        return call_unary(address, "Create", wire.CreateRequest(label=label), wire.CreateReply, TIMEOUT_S, by).label
    except Away as away:
        return away.message
    finally:
        server.stop()


def test_a_replica_with_a_certificate_of_the_authority_is_answered(folder: Path) -> None:
    assert called(of(folder, "one"), of(folder, "two")) == "one"


def test_a_caller_that_takes_another_name_is_refused(folder: Path) -> None:
    text = called(of(folder, "one"), of(folder, "two"), "three")
    assert "the request names three, but the certificate is for two" in text


def test_no_other_caller_is_answered(folder: Path) -> None:
    one, stranger = of(folder, "one"), of(folder / "strange", "two")
    assert "the TLS handshake failed" in called(one, stranger)
    assert "the TLS handshake failed" in called(None, one)
    assert "has no certificate" in called(one, None)
    mixed = Credentials(one.authority, stranger.certificate, stranger.key)  # has a certificate of another CA
    assert "has no certificate" in called(one, mixed)


def test_a_certificate_is_valid_for_its_host_only(folder: Path) -> None:
    assert "not valid for this address" in called(of(folder, "other"), of(folder, "two"))


def test_an_error_names_the_file_and_the_problem(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"three\.pem cannot be read"):
        of(folder, "three")
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
def test_a_replica_with_the_certificate_of_another_is_refused(folder: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(folder, mixed)
    for suffix in ("pem", "key"):
        shutil.copy(folder / f"one.{suffix}", mixed / f"two.{suffix}")
    quiet = {"interval_s": 0, "after_write": False}
    with live(tmp_path / "tls", ("one", "two"), tls=str(mixed), anti_entropy=quiet) as processes:
        with pytest.raises(
            Refused, match=r"The hello of the peer says two, with the id two~\w+, but the certificate is"
        ):
            processes.rest("two").post("/replica/sync/one")
        assert processes.rest("two").get("/replica")["birth"] is None


def _free() -> Address:
    host, _, port = next(free_addresses(1)).rpartition(":")
    return Address(host, int(port))
