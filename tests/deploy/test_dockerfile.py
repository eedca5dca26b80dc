"""A replica and a client run with only those files that deploy/Dockerfile copies. The tests build no image."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from replica.free_addresses import free_addresses
from tests.support.joined import ask, reserve
from tests.support.live import ROOT
from tests.support.waiting import wait_until

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.process
def test_a_replica_runs_with_the_copied_files_alone(tmp_path: Path) -> None:
    image, rest, peers = tmp_path / "image", *free_addresses(2)
    image.mkdir()
    for words in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE):
        for name in words.split():
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, image / name)
    settings = (
        f"cluster: c\nprimary: one\nrooms: ['6.12']\nreplicas: {{one: {{rest: {rest}, anti_entropy: {peers}}}}}\n"
    )
    (tmp_path / "config.yaml").write_text(settings)
    command = [sys.executable, "server.py", "--config", str(tmp_path / "config.yaml"), "one"]  # as ENTRYPOINT has it
    with subprocess.Popen(command, cwd=image, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as replica:
        try:
            assert replica.stdout is not None
            wait_until(lambda: replica.stdout and "holds" in replica.stdout.readline())
            assert reserve(rest, "r1", 9).status_code == 201
            assert ask(rest, "GET", "/", Accept="text/html").headers["Content-Type"].startswith("text/html")
            words = ("client.py", "vish", "--replica", rest, "status")
            ran = subprocess.run([sys.executable, *words], cwd=image, capture_output=True, text=True, check=True)
            assert "1 committed" in ran.stdout
        finally:
            replica.terminate()
            replica.communicate(timeout=60)


def test_the_image_gets_only_the_packages_that_a_replica_needs() -> None:
    """The `sed` command of the Dockerfile keeps the first part of requirements.txt: what a replica needs, without the
    tools for tests."""
    (cut,) = re.findall(r"RUN (sed .*?) >", DOCKERFILE)
    named = subprocess.run(["sh", "-c", cut], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "\nFlask==" in named
    assert "\npytest==" not in named
