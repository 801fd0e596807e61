"""Imports point strictly down, and each third party has its doors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.meta.sources import imports, module_name, package_files

FLOORS = {
    0: ("errors", "version", "arguments", "callables", "caches", "accelerate", "streams", "variables"),
    1: ("kernels", "groups", "stores", "configurations", "executors", "progress", "provenance", "plotting", "scripts"),
    2: ("representations", "transport"),
    3: ("units", "engines", "ensembles", "nets", "inputs", "losses", "residuals"),
    4: ("teachers", "datasets", "schemes", "expectations", "metrics", "precision", "orbit_laws", "nulls"),
    5: ("dynamics", "resnets", "flows", "problems", "controls", "fitting"),
    6: ("discovery", "searches"),
    7: ("experiments", "limits", "convergence", "traces", "studies", "movies", "counterexample"),
    8: ("sweeps", "warmups"),
    9: ("cli", "__main__"),
}
"""Strictly down between floors; files of one floor may use each other as long as there is no cycle."""

FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names}

DOORS = {
    "numba": ("accelerate",),
    "ot": ("transport",),
    "xarray": (
        "variables",
        "stores",
        "experiments",
        "limits",
        "convergence",
        "traces",
        "studies",
        "counterexample",
        "sweeps",
    ),
    "click": ("cli",),
    "distributed": ("executors",),
    "mpi4py": ("executors",),
    "matplotlib": ("plotting",),
    "h5py": ("stores",),
    "msgspec": ("configurations", "problems"),
    "tqdm": ("progress",),
    "array_api_compat": ("schemes",),
}
"""Third party to the modules that may import it."""


def first_part(name: str) -> str:
    """'stores' for 'mfsym.stores.archives'."""
    return name.split(".")[1] if "." in name else "__init__"


def inner_imports(path: Path) -> set[str]:
    """Modules of the package, by their first part, that a file imports."""
    return {first_part(name) for name in imports(path) if name.startswith("mfsym.")}


@pytest.mark.parametrize("path", package_files(), ids=module_name)
def test_imports_point_down(path: Path) -> None:
    own = first_part(module_name(path))
    if own == "__init__":
        assert inner_imports(path) <= {"version"}
        return
    assert own in FLOOR_OF, f"give {own} a floor in tests/meta/test_floors.py"
    for other in inner_imports(path) - {own}:
        assert FLOOR_OF[other] <= FLOOR_OF[own], f"{own} (floor {FLOOR_OF[own]}) imports {other} ({FLOOR_OF[other]})"


def test_no_two_modules_import_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for path in package_files():
        own = first_part(module_name(path))
        graph.setdefault(own, set()).update(inner_imports(path) - {own})

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(graph.get(start, ()))
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += graph.get(name, ())
        return seen

    cycles = sorted(name for name in graph if name in reachable(name))
    assert cycles == []


@pytest.mark.parametrize("path", package_files(), ids=module_name)
def test_third_parties_come_in_by_their_door(path: Path) -> None:
    own = first_part(module_name(path))
    for name in imports(path):
        package = name.split(".")[0]
        if package in DOORS:
            assert own in DOORS[package], f"{package} must be imported by {DOORS[package]} only"


def test_the_floors_see_a_wrong_import() -> None:
    assert FLOOR_OF["cli"] > FLOOR_OF["sweeps"] > FLOOR_OF["experiments"] > FLOOR_OF["dynamics"] > FLOOR_OF["units"]
    assert "click" in {name for path in package_files() for name in imports(path)}
    assert any("numba" in list(imports(path)) for path in package_files())
