"""Former import paths of moved modules: importing one returns the module at its present path."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = "mfsym."

MOVED: dict[str, str] = {
    **{name: f"runtime.{name}" for name in ("caches", "executors", "progress", "provenance", "scripts")},
    **{name: f"data.{name}" for name in ("datasets", "expectations", "inputs", "losses", "nets", "teachers")},
    **{name: f"metrics.{name}" for name in ("nulls", "orbit_laws")},
    **{name: f"dynamics.{name}" for name in ("precision", "resnets")},
    **{name: f"discovery.{name}" for name in ("controls", "residuals", "searches", "traces")},
    **{name: f"experiments.{name}" for name in ("convergence", "counterexample", "limits", "movies", "warmups")},
    "callables": "arguments.callables",
    **{f"configurations.{name}": "configurations.loading" for name in ("problems", "single")},
    "configurations.studies": "configurations.discoveries",
    "flows.dynamics": "flows.mean_field",
    "flows.limits": "flows.limit_laws",
    "representations.irreps": "representations.harmonics",
    "studies": "discovery.frequencies",
    "transport.clouds": "transport.atoms",
    "transport.memory": "transport.exact",
    "transport.pairs": "transport.packs",
    "transport.starts": "transport.initialisers",
    "transport.trajectories": "transport.distances",
    "transport.turns": "transport.axes",
}
"""Former paths and present paths, relative to the package."""


class _Same(Loader):
    """Loads a former path as the module at its present path."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself."""
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """Does not execute the module again, and restores its specification, so it keeps its present name."""
        module.__spec__ = self._spec


class _FormerPaths(MetaPathFinder):
    """Finds the modules of ``MOVED``."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A specification of the module at its present path; None for any other name."""
        place = MOVED.get(fullname.removeprefix(PACKAGE)) if fullname.startswith(PACKAGE) else None
        return None if place is None else ModuleSpec(fullname, _Same(importlib.import_module(PACKAGE + place)))


def keep_former_paths() -> None:
    """Enable former import paths in this process."""
    if not any(isinstance(finder, _FormerPaths) for finder in sys.meta_path):
        sys.meta_path.append(_FormerPaths())
