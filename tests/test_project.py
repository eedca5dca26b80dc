"""What holds for the project as a whole: generated code is current, and the versions of packages are exact."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HOUSE = Path(__file__).parent.parent
REQUIREMENTS = (HOUSE / "requirements.txt").read_text(encoding="utf-8")
GENERATED = ("a_e_pb2.py", "a_e_pb2.pyi")
# Halves of Flask, Pydantic and requests, and a part of pytest: used at whatever version those want.
BROUGHT = {"werkzeug", "pydantic-core", "urllib3", "packaging"}


def sources(*suffixes: str) -> Iterator[Path]:
    """The project's own files; none of what is installed, generated or written while it runs."""
    for path in HOUSE.rglob("*"):
        parts = path.relative_to(HOUSE).parts
        own = path.name not in GENERATED and not any(part.startswith(".") or part == "data" for part in parts)
        if own and path.suffix in suffixes:
            yield path


def requirements(text: str) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line]


@pytest.mark.parametrize("name", GENERATED)
def test_generated_code_is_current(tmp_path: Path, name: str) -> None:
    """`make proto` brings it up to date."""
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]
    subprocess.run([*command, "a_e.proto"], cwd=HOUSE, check=True)
    assert (HOUSE / "replica" / "anti_entropy" / name).read_text("utf-8") == (tmp_path / name).read_text("utf-8")


def test_versions_are_exact_and_installed() -> None:
    for requirement in requirements(REQUIREMENTS):
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        if requirement.marker is None or requirement.marker.evaluate():
            assert version(requirement.name) == pin.version


def test_what_the_code_imports_is_required_by_name() -> None:
    named, heading, _ = REQUIREMENTS.partition("# Brought along")
    assert heading
    required = {canonicalize_name(requirement.name) for requirement in requirements(named)}
    own = {path.stem for path in HOUSE.iterdir()}
    distributions = packages_distributions()
    for path in sources(".py"):
        for module in imported(path) - own - sys.stdlib_module_names:
            found = {canonicalize_name(name) for name in distributions[module]}
            assert found & required or found <= BROUGHT, f"{path} imports {module}"


def test_the_protocol_imports_the_standard_library_only() -> None:
    for path in (HOUSE / "bayou").rglob("*.py"):
        assert imported(path) <= sys.stdlib_module_names | {"bayou"}, path


def imported(path: Path) -> set[str]:
    """The top-level modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_a_file_says_what_it_is_for() -> None:
    for path in sources(".py"):
        text = path.read_text(encoding="utf-8")
        assert not text or ast.get_docstring(ast.parse(text)), f"{path} opens with no docstring"


@pytest.mark.parametrize("script", ["server.py", "client.py", "cluster.py"])
def test_without_the_packages_it_says_where_they_are(script: str) -> None:
    """What a new terminal meets, before .venv is activated there."""
    ran = subprocess.run([sys.executable, "-S", script, "one"], cwd=HOUSE, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("This Python has no package ")
    assert "Run `source .venv/bin/activate`" in ran.stderr
