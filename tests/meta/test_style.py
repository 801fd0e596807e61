"""Sizes, docstrings, twins, and things that must not be in the sources."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from mfsym.experiments import compare, simulate
from tests.meta.sources import PACKAGE, ROOT, all_files, functions, imports, module_name, package_files, tree

FILE_WALL, FUNCTION_WALL, KERNEL_WALL, ARGUMENT_WALL = 400, 60, 120, 8
KERNEL_DECORATORS = {"kernel", "kernel_allocating", "exact", "exact_allocating"}
FORBIDDEN = re.compile(
    "|".join(rf"\b{one}{two}\b" for one, two in (("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("HA", "CK")))
)
UNFINISHED = ("NotImplemented" + "Error", "pragma: no co" + "ver")


def decorators(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Names of the decorators of a function."""
    found = set()
    for node in function.decorator_list:
        target = node.func if isinstance(node, ast.Call) else node
        found.add(target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", ""))
    return found


def arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Names of the arguments a caller must know: the instance, * and ** apart."""
    parts = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return [part.arg for part in parts if part.arg not in ("self", "cls")]


@pytest.mark.parametrize("path", all_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_under_the_wall(path: Path) -> None:
    limit = FILE_WALL if "tests" not in path.parts else 2 * FILE_WALL
    assert len(path.read_text(encoding="utf-8").splitlines()) <= limit


@pytest.mark.parametrize("path", package_files(), ids=module_name)
def test_functions_stay_under_the_walls(path: Path) -> None:
    wall = KERNEL_WALL if path.parent.name == "kernels" else FUNCTION_WALL
    for function in functions(tree(path)):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= wall, f"{function.name} has {length} lines"
        public_constructor = function.name == "__init__"
        limit = ARGUMENT_WALL + 4 if public_constructor else ARGUMENT_WALL
        if path.parent.name not in ("kernels", "cli"):
            assert len(arguments(function)) <= limit, f"{function.name} has {len(arguments(function))} arguments"


def _is_public(name: str) -> bool:
    return not name.startswith("_")


@pytest.mark.parametrize("path", package_files(), ids=module_name)
def test_every_public_thing_says_what_it_is(path: Path) -> None:
    module = tree(path)
    assert ast.get_docstring(module), "a module starts with a docstring"
    inherited = ("Abstract", "Protocol")
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and _is_public(node.name):
            assert ast.get_docstring(node), node.name
        if isinstance(node, ast.ClassDef) and _is_public(node.name) and not node.bases:
            for method in functions(node):
                if _is_public(method.name) and method.name not in inherited:
                    assert ast.get_docstring(method) or method.col_offset > 4, f"{node.name}.{method.name}"


@pytest.mark.parametrize("path", package_files(), ids=module_name)
def test_docstrings_describe_only_arguments_that_exist(path: Path) -> None:
    for function in functions(tree(path)):
        text = ast.get_docstring(function) or ""
        known = _identifiers(function)
        for line in text.splitlines():
            described = re.match(r"^([a-z_0-9]+(?:, [a-z_0-9]+)*) : ", line)
            for name in described.group(1).split(", ") if described else ():
                assert name in known, f"{function.name} describes {name}"


def _identifiers(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Every name in a function: its arguments, and what it makes and returns; ``weights_a`` is also ``weights``."""
    names = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg | ast.keyword) and node.arg}
    names |= {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute)}
    return names | {name.removesuffix("_a") for name in names}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("kernels/*.py")), ids=module_name)
def test_every_kernel_has_a_slow_twin(path: Path) -> None:
    """A compiled function that the package calls is named in a test, which compares it with plain NumPy."""
    tests = _text(sorted((ROOT / "tests").rglob("*.py")))
    callers = _text([file for file in package_files() if file.parent.name != "kernels"])
    for function in functions(tree(path)):
        if _is_public(function.name) and KERNEL_DECORATORS & decorators(function):
            word = rf"\b{function.name}\b"
            assert re.search(word, tests) or not re.search(word, callers), f"{path.name}: {function.name} has no test"


def _text(files: list[Path]) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize("path", all_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_allclose_goes_unasserted(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = node.value.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            assert name not in ("allclose", "isclose", "array_equal"), f"line {node.lineno}: the answer is thrown away"


@pytest.mark.parametrize("path", all_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_randomness_comes_from_streams_only(path: Path) -> None:
    if path.parts[-2] == "benchmarks":
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and node.attr == "random":
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            assert owner not in ("np", "numpy"), f"line {node.lineno}: use mfsym.streams"
    assert not {"random", "numpy.random"} & set(imports(path))


@pytest.mark.parametrize("path", all_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_left_for_later(path: Path) -> None:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        assert not FORBIDDEN.search(line), f"line {number}"
        assert not any(words in line for words in UNFINISHED), f"line {number}"


def test_tests_are_not_skipped_without_a_reason() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(tree(path)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("skip", "xfail")
            ):
                assert node.args or any(word.arg == "reason" for word in node.keywords), f"{path}: {node.lineno}"


def test_python_and_the_command_line_have_the_same_names() -> None:
    from mfsym.cli.training import compare as compare_command
    from mfsym.cli.training import simulate as simulate_command
    from mfsym.configurations import Cell

    shared = set(Cell.__dataclass_fields__)
    for function, command in ((simulate, simulate_command), (compare, compare_command)):
        named = set(
            function.__code__.co_varnames[: function.__code__.co_argcount + function.__code__.co_kwonlyargcount]
        )
        options = {option.name for option in command.params}
        printing = {"out", "form", "quiet", "verbose", "allow_large"}
        assert options - printing <= named | shared


def test_the_readme_and_the_rules_are_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= 60


def test_the_pins_name_no_address() -> None:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+", line), line


def test_every_dependency_is_pinned() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["test"], *extras["lint"]]
    pins = {line.partition("==")[0].lower().replace("_", "-") for line in _pins()}
    missing = {re.split(r"[<>=!~ ]", name)[0].lower() for name in wanted} - pins
    assert missing == set()


def _pins() -> list[str]:
    return (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


def test_every_variable_of_a_result_is_declared_and_every_export_exists() -> None:
    import mfsym

    for name in mfsym.__all__:
        assert getattr(mfsym, name) is not None, name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = mfsym.nonsense
    assert "simulate" in dir(mfsym)


def test_no_class_name_stands_twice() -> None:
    """One meaning per name: no two classes of the package share one, nested and private ones apart."""
    places: dict[str, list[str]] = {}
    for path in package_files():
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and _is_public(node.name):
                places.setdefault(node.name, []).append(module_name(path))
    assert len(places) > 50
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}
