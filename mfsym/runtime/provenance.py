"""Provenance of a result: versions, machine, processor. Imports nothing heavy."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

from mfsym.runtime.origins import commit, history, problem_text
from mfsym.runtime.references import references
from mfsym.version import __version__

PACKAGES = (
    "numpy",
    "scipy",
    "numba",
    "llvmlite",
    "jax",
    "jaxlib",
    "pot",
    "xarray",
    "h5netcdf",
    "h5py",
    "matplotlib",
    "click",
    "msgspec",
)


def packages() -> dict[str, str]:
    """Version of every package that affects results; 'absent' for one that is not installed."""
    return {"mfsym": __version__, "python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


@cache
def _version(name: str) -> str:
    """The installed version; read once per process, since it costs milliseconds."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


@cache
def processor() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine() -> dict[str, str | int]:
    """The machine: system, processor, cores, byte order."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": cores(),
        "byte_order": sys.byteorder,
    }


def attributes(
    title: str, config: dict[str, Any], seed: int, loss: str = "quadratic", *, noise: str, engine: str = "numba"
) -> dict[str, str | int]:
    """Attributes that say how a Dataset was made: what made it, from which resolved configuration, where and when.

    The content digest is of values alone: none of these changes it.

    loss : the loss of its risks, a name in ``mfsym.data.losses``.
    noise : the kind of noise, "projected" on E^G or "isotropic".
    engine : the engine of its trainings, with the device of JAX.
    """
    return {
        "title": title,
        "mfsym_version": __version__,
        "seed": seed,
        "loss": loss,
        "noise": noise,
        "engine": engine,
        "config": json.dumps(config, sort_keys=True),
        "machine": json.dumps(machine(), sort_keys=True),
        "packages": json.dumps(packages(), sort_keys=True),
        "references": references(),
        "history": history(),
        "mfsym_commit": commit(),
        "problem_text": problem_text(config),
    }
