"""Imports point strictly down, no module imports itself by a detour, and each third party has its doors."""

from __future__ import annotations

import ast

import pytest

from tests.meta.sources import PACKAGE, imports, module_name, package_files, tree

FLOORS = {
    0: ("errors", "version", "typing", "paths", "arguments", "streams"),
    1: ("runtime", "accelerate", "stores", "configurations", "representations", "variables"),
    2: ("groups", "kernels", "transport"),
    3: ("units", "engines", "ensembles"),
    4: ("data", "schemes", "metrics"),
    5: ("dynamics", "flows", "problems", "quotients", "latents", "plotting"),
    6: ("discovery", "figures"),
    7: ("experiments",),
    8: ("sweeps",),
    9: ("cli", "__main__"),
}
"""Strictly down between floors; rooms of one floor may use each other as long as there is no cycle."""

FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names}

LAZY = {
    "mfsym": "public names on first use",
    "mfsym.paths": "former paths of modules",
    "mfsym.cli": "commands on first use",
    "mfsym.cli.symmetrising": "the functions that its options name",
    "mfsym.figures": "figures on first use",
}
"""Modules that import others by a name made at run time, and why. Nothing else may."""

MOST_FILES = 10
"""Single files at the top of the package, ``__init__`` and ``__main__`` apart."""

DOORS = {
    "numba": ("accelerate",),
    "ot": ("transport",),
    "xarray": ("variables", "stores", "discovery", "experiments", "sweeps"),
    "click": ("cli",),
    "distributed": ("runtime.executors",),
    "mpi4py": ("runtime.executors",),
    "matplotlib": ("plotting", "figures"),
    "h5py": ("stores",),
    "msgspec": ("configurations", "problems"),
    "tqdm": ("runtime.progress",),
    "array_api_compat": ("schemes", "latents"),
    "jax": ("accelerate.xla", "schemes", "quotients", "latents", "engines"),
    "equinox": ("quotients", "latents"),
    "optax": ("quotients", "latents"),
    "rdkit": ("quotients",),
    "rapidocr_onnxruntime": ("experiments",),
}
"""Third party to the modules, or folders of modules, that may import it."""

MODULES = {module_name(path): path for path in package_files()}


def room(name: str) -> str:
    """'stores' for 'mfsym.stores.archives'."""
    return name.split(".")[1] if "." in name else "__init__"


def inner_imports(name: str) -> set[str]:
    """Modules of the package that a module imports, anywhere in its text; a package for what its ``__init__`` holds."""
    found = set()
    for other in imports(MODULES[name]):
        while other and other not in MODULES:
            other = other.rpartition(".")[0]
        if other.startswith("mfsym"):
            found.add(other)
    deepest = {other for other in found if not any(longer.startswith(f"{other}.") for longer in found)}
    stated = {other for other in found if other in _packages_used(name)}
    return (deepest | stated) - {name}


def _packages_used(name: str) -> set[str]:
    """Modules of which a name, not a submodule, is imported: ``from mfsym.stores import save``."""
    used = set()
    for full in imports(MODULES[name]):
        parent = full.rpartition(".")[0]
        if full not in MODULES and parent in MODULES:
            used.add(parent)
    return used


GRAPH = {name: inner_imports(name) for name in MODULES}


def cycle_from(start: str, graph: dict[str, set[str]]) -> list[str]:
    """Modules on a way from a module back to itself, or nothing."""
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for other in sorted(graph.get(way[-1], ())):
            if other == start:
                return [*way, start]
            if other not in seen:
                seen.add(other)
                ways.append([*way, other])
    return []


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name: str) -> None:
    own = room(name)
    if own == "__init__":
        assert GRAPH[name] <= {"mfsym.version", "mfsym.paths"}
        return
    assert own in FLOOR_OF, f"give {own} a floor in tests/meta/test_floors.py"
    for other in {room(other) for other in GRAPH[name]} - {own, "__init__"}:
        assert FLOOR_OF[other] <= FLOOR_OF[own], f"{own} (floor {FLOOR_OF[own]}) imports {other} ({FLOOR_OF[other]})"


def test_no_module_imports_itself_by_a_detour() -> None:
    assert [way for name in GRAPH if (way := cycle_from(name, GRAPH))] == []


def test_no_room_imports_itself_by_a_detour() -> None:
    rooms: dict[str, set[str]] = {}
    for name, others in GRAPH.items():
        rooms.setdefault(room(name), set()).update({room(other) for other in others} - {room(name)})
    assert [way for name in rooms if (way := cycle_from(name, rooms))] == []


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_imported_by_names_that_can_be_read(name: str) -> None:
    """``import_module`` and ``__import__`` hide an import from these tests: only the lazy doors may use them."""
    hidden = {"import_module", "__import__"} & {word for node in _names(name) for word in node}
    assert not hidden or name in LAZY, f"{name} uses {hidden}: import at the top, or name it in LAZY"


def _names(name: str) -> list[tuple[str, ...]]:
    nodes = ast.walk(tree(MODULES[name]))
    return [
        (node.id,) if isinstance(node, ast.Name) else (node.attr,)
        for node in nodes
        if isinstance(node, ast.Name | ast.Attribute)
    ]


@pytest.mark.parametrize("name", MODULES)
def test_third_parties_come_in_by_their_door(name: str) -> None:
    for imported in imports(MODULES[name]):
        package = imported.split(".")[0]
        if package in DOORS:
            doors = tuple(f"mfsym.{door}" for door in DOORS[package])
            inside = any(name == door or name.startswith(f"{door}.") for door in doors)
            assert inside, f"{package} must be imported by {DOORS[package]} only"


def test_few_single_files_stand_at_the_top() -> None:
    files = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert len(files) <= MOST_FILES, f"{sorted(files)}: put new code into the folder that says what it is"


def test_the_floors_see_a_wrong_import(capsys: pytest.CaptureFixture[str]) -> None:
    for floor, names in FLOORS.items():
        print(floor, *names)
    assert capsys.readouterr().out.count("\n") == len(FLOORS)
    assert cycle_from("a", {"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert cycle_from("a", {"a": {"b"}, "b": {"c"}, "c": {"b"}}) == []
    assert "mfsym.runtime.executors" in {other for others in GRAPH.values() for other in others}
    assert "click" in {name for path in package_files() for name in imports(path)}
    assert any("numba" in imports(path) for path in package_files())


def main() -> None:
    """Print the floors, as ``python -m tests.meta.test_floors`` does."""
    for floor, names in FLOORS.items():
        files: dict[str, int] = {name: sum(room(module) == name for module in MODULES) for name in names}
        print(f"{floor}: " + ", ".join(f"{name} ({count})" for name, count in files.items()))


if __name__ == "__main__":
    main()
