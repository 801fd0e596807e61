"""The sources of the repository as syntax trees, for the tests on style."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "mfsym"


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def package_files() -> list[Path]:
    """Every file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def all_files() -> list[Path]:
    """Every Python file of the repository that a person wrote."""
    folders = ("mfsym", "tests", "figures", "benchmarks", "docs")
    return sorted(path for folder in folders if (ROOT / folder).exists() for path in (ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    """'mfsym.stores.archives' for mfsym/stores/archives.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method inside a tree."""
    for child in ast.walk(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Dotted names that a file imports, imports for type checking apart; ``from a import b`` gives 'a' and 'a.b'."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    skipped = {id(inner) for node in ast.walk(tree(path)) if _is_typing_block(node) for inner in ast.walk(node)}
    for node in ast.walk(tree(path)):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_typing_block(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
