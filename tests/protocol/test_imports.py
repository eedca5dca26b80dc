"""The protocol depends on no other package: bayou/ imports only itself and the standard library."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

BAYOU = Path(__file__).parent.parent.parent / "bayou"


def test_bayou_imports_the_standard_library_alone() -> None:
    imported = {
        (module.name, name)
        for module in BAYOU.glob("*.py")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        for name in _names(node)
    }
    assert imported, "the modules were found"
    assert {pair for pair in imported if pair[1].partition(".")[0] not in {"bayou", *sys.stdlib_module_names}} == set()


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{'.' * node.level}{node.module or ''}"]
    return []
