"""The systemd units of deploy/. systemd-analyze finds no error in the units, and gives each service a low exposure
level."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.live import ROOT

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")

UNITS = sorted(path.name for path in (ROOT / "deploy").iterdir() if path.suffix in {".service", ".timer"})
EXPOSURE_MAX = 2.0  # of 10


def analyze(*words: str | Path) -> tuple[int, str]:
    """Run systemd-analyze. Return its exit status and its output."""
    ran = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with copies of the units. Paths of programs are replaced, so that the copies name programs that
    exist on this machine."""
    for name in UNITS:
        text = (ROOT / "deploy" / name).read_text().replace("/opt/bayou/.venv/bin/python", shutil.which("env") or "")
        (tmp_path / name).write_text(text.replace("/opt/bayou/deploy", f"{ROOT}/deploy"))
    return tmp_path


def test_systemd_finds_nothing_wrong(folder: Path) -> None:
    assert len(UNITS) == 3
    assert analyze("verify", "--man=no", *(folder / name for name in UNITS)) == (0, "")


@pytest.mark.parametrize("name", [name for name in UNITS if name.endswith(".service")])
def test_the_services_may_do_little(folder: Path, name: str) -> None:
    status, said = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX * 10:.0f}", folder / name)
    if "Unrecognized option" in said or "unrecognized option" in said:
        pytest.skip("this systemd judges no unit files, only running units")
    assert status == 0, said.splitlines()[-1]
