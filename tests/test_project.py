"""Check rules of the project: generated code is current, package versions are exact, every file has a docstring."""

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

ROOT = Path(__file__).parent.parent
REQUIREMENTS = (ROOT / "requirements.txt").read_text(encoding="utf-8")
GENERATED = ("a_e_pb2.py", "a_e_pb2.pyi")
# Packages that Flask, Pydantic, requests and pytest install in the version that they need.
DEPENDENCIES = {"werkzeug", "pydantic-core", "urllib3", "packaging"}


def sources(*suffixes: str) -> Iterator[Path]:
    """Yield the source files of the project, without installed packages, generated code and data."""
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        own = path.name not in GENERATED and not any(part.startswith(".") or part == "data" for part in parts)
        if own and path.suffix in suffixes:
            yield path


def requirements(text: str) -> list[Requirement]:
    """Parse the lines of a requirements file."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line]


@pytest.mark.parametrize("name", GENERATED)
def test_generated_code_is_current(tmp_path: Path, name: str) -> None:
    """Compile a_e.proto again and compare the result. `make proto` updates the generated code."""
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]
    subprocess.run([*command, "a_e.proto"], cwd=ROOT, check=True)
    assert (ROOT / "replica" / "anti_entropy" / name).read_text("utf-8") == (tmp_path / name).read_text("utf-8")


def test_versions_are_exact_and_installed() -> None:
    for requirement in requirements(REQUIREMENTS):
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        if requirement.marker is None or requirement.marker.evaluate():
            assert version(requirement.name) == pin.version


def test_every_imported_package_is_listed_in_the_requirements() -> None:
    named, heading, _ = REQUIREMENTS.partition("# Brought along")
    assert heading
    required = {canonicalize_name(requirement.name) for requirement in requirements(named)}
    own = {path.stem for path in ROOT.iterdir()}
    distributions = packages_distributions()
    for path in sources(".py"):
        for module in imported(path) - own - sys.stdlib_module_names:
            found = {canonicalize_name(name) for name in distributions[module]}
            assert found & required or found <= DEPENDENCIES, (
                f"{path} imports {module}, which requirements.txt does not list"
            )


def imported(path: Path) -> set[str]:
    """Return the top-level modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_every_python_file_has_a_docstring() -> None:
    for path in sources(".py"):
        text = path.read_text(encoding="utf-8")
        assert not text or ast.get_docstring(ast.parse(text)), (
            f"{path} has no docstring; say in one line what it is for"
        )


@pytest.mark.parametrize("script", ["server.py", "client.py", "cluster.py"])
def test_a_program_without_its_packages_says_how_to_activate_them(script: str) -> None:
    """Start a program without .venv, as in a new terminal: it must print how to activate .venv."""
    ran = subprocess.run([sys.executable, "-S", script, "one"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("This Python has no package ")
    assert "Run `source .venv/bin/activate`" in ran.stderr
