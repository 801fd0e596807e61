"""Collect verified cells into one Dataset, and verify a Dataset against its cells."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mfsym.configurations.cells import PROBLEM_KEYS, SCHEMA_VERSION, axes, expand
from mfsym.configurations.layers import Resolved
from mfsym.configurations.loading import digest_of
from mfsym.configurations.names import ENGINES
from mfsym.dynamics.noise_words import noise_of
from mfsym.errors import StoreError
from mfsym.runtime.origins import remember
from mfsym.runtime.provenance import attributes
from mfsym.stores.archives import Archive
from mfsym.stores.datasets import content_digest, open_result
from mfsym.stores.folders import Folder, folder_of, load_cell, read_failure
from mfsym.sweeps.plans import recorded
from mfsym.variables import TIMINGS

if TYPE_CHECKING:
    import xarray as xr

NOT_COLLECTED = ("particles",)
"""Arrays kept in the cell files only, because their size depends on N."""

FRONT = ("teacher", "init", "scheme", "n")


def _empty(name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Initial values of a variable: "missing" for the status, else "", -1 or NaN."""
    if name == "status":
        return np.full(shape, "missing", dtype="<U8")
    if name == "precision":
        return np.full(shape, "", dtype="<U7")
    if name in ("diverged_step", "drifted_step"):
        return np.full(shape, -1, dtype=np.int64)
    return np.full(shape, np.nan)


@dataclass
class _Grid:
    """Arrays over (cell dimensions..., scheme[, other]) filled cell by cell."""

    dimensions: dict[str, list[Any]]
    schemes: list[str]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    def put(self, name: str, index: tuple[int, ...], values: NDArray[Any], held: Sequence[str]) -> None:
        """Store one cell's values of one variable; held : the schemes of the cell, in the cell's order."""
        places = [held.index(scheme) for scheme in self.schemes]
        for axis in range(len(self.dims(name)) - len(self.dimensions)):
            values = values.take(places, axis=axis)
        if name not in self.arrays:
            shape = tuple(len(values) for values in self.dimensions.values())
            self.arrays[name] = _empty(name, shape + values.shape)
        self.arrays[name][index] = values

    def dims(self, name: str) -> tuple[str, ...]:
        """Dimensions of a variable in the collected Dataset."""
        cells = tuple(self.dimensions)
        return cells + (() if name in TIMINGS else {"rmd2_pair": ("scheme", "other")}.get(name, ("scheme",)))


def order_dims(names: tuple[str, ...]) -> tuple[str, ...]:
    """Sort dimension names: teacher, init, scheme, n, extra dimensions, replicate, other."""
    back = [name for name in ("replicate", "other") if name in names]
    middle = [name for name in names if name not in FRONT and name not in back]
    return (*(name for name in FRONT if name in names), *middle, *back)


def collect(folder: Folder, resolved: Resolved) -> xr.Dataset:
    """The Dataset of a sweep from its verified cells; absent cells have status missing or failed.

    Dimensions teacher, init, scheme, n, one per listed training parameter, replicate (and other for rmd2_pair).
    Raises StoreError if a cell file is damaged.
    """
    import xarray as xr

    grid = _Grid(axes(resolved), list(resolved.values["scheme"]))
    losses, engines = set(), set()
    blank = np.full(len(grid.schemes), "missing", dtype="<U8")
    for index, cell in expand(resolved):
        archive = load_cell(folder, cell.identity)
        if archive is None:
            failed = read_failure(folder, cell.identity) is not None
            grid.put("status", index, np.full_like(blank, "failed") if failed else blank, cell.schemes)
            continue
        losses.add(archive.meta.get("loss"))
        engines.add(archive.meta.get("engine", ENGINES[0]))
        for name, values in archive.arrays.items():
            if name not in NOT_COLLECTED:
                grid.put(name, index, values, cell.schemes)
    variables = {name: (grid.dims(name), values) for name, values in sorted(grid.arrays.items())}
    coords = {name: list(values) for name, values in grid.dimensions.items()} | {"scheme": grid.schemes}
    if "rmd2_pair" in variables:
        coords["other"] = grid.schemes
    dataset = xr.Dataset(variables, coords=coords, attrs=provenance(resolved, _loss(resolved, losses), engines))
    for label in list(dataset.data_vars):
        dataset[label] = dataset[label].transpose(*order_dims(tuple(map(str, dataset[label].dims))))
    return dataset


def _loss(resolved: Resolved, told: set[str | None]) -> str:
    """The loss that defines the risks: as recorded in the cells if all record the same one, else the problem's.

    Raises MfsymError if the problem file is needed and has changed.
    """
    known = {loss for loss in told if loss is not None}
    if known == told and len(known) == 1:
        return known.pop()
    problem, digest = (resolved.values[key] for key in PROBLEM_KEYS)
    if not problem:
        return "quadratic"
    from mfsym.problems import load_problem

    return load_problem(problem, digest).loss


def provenance(resolved: Resolved, loss: str, engines: Iterable[str]) -> dict[str, Any]:
    """Provenance attributes of a Dataset.  loss : the loss whose means are its risks.  engines : those of its cells."""
    values = resolved.values
    kinds = values["noise"] if isinstance(values["noise"], list) else [values["noise"]]
    noise = noise_of(values["init"], values["scheme"], kinds)
    _recall(values["problem"], values["problem_digest"])
    return {
        **attributes(
            "mfsym sweep", resolved.tables(), values["seed"], loss, noise=noise, engine="; ".join(sorted(engines))
        ),
        "schema_version": SCHEMA_VERSION,
        "config_origins": json.dumps(resolved.origins, sort_keys=True),
    }


def _recall(problem: str, digest: str) -> None:
    """Load the problem's text for the attributes if its file still has the digest recorded in the cells."""
    path = Path(problem)
    if problem and path.is_file() and digest_of(path) == digest:
        remember(digest, path)


@dataclass(frozen=True)
class Verification:
    """Result of ``verify``: the content digest, the number of good cells, and (file, reason) of the bad ones."""

    digest: str
    cells: int
    bad: list[dict[str, str]]

    def to_dict(self) -> dict[str, Any]:
        """The record that ``mfsym verify --format json`` prints."""
        return {"digest": self.digest, "cells": self.cells, "bad": self.bad}


def verify(out: Path | str) -> Verification:
    """Read every byte of a result and of its cells, and compare the two.

    The digest depends on values only: it is the same for any number of jobs, shards and restarts, and any executor.
    Raises StoreError if there is neither a result nor a sweep folder at ``out``.
    """
    folder = folder_of(out)
    bad: list[dict[str, str]] = []
    dataset = None
    if not folder.result.exists() and not folder.root.exists():
        raise StoreError(f"{out}: no result and no sweep there")
    try:
        dataset = open_result(folder.result)
    except StoreError as error:
        bad.append({"file": str(folder.result), "reason": str(error)})
    good = _verify_cells(folder, dataset, bad) if folder.config.exists() else 0
    return Verification(content_digest(dataset) if dataset is not None else "", good, bad)


def _verify_cells(folder: Folder, dataset: xr.Dataset | None, bad: list[dict[str, str]]) -> int:
    """Check every cell of the recorded configuration; return the number of good ones; append the others to ``bad``."""
    try:
        resolved = recorded(folder)
    except StoreError as error:
        bad.append({"file": str(folder.config), "reason": str(error)})
        return 0
    good, damaged = 0, False
    for _, cell in expand(resolved):
        try:
            archive: Archive | None = load_cell(folder, cell.identity)
        except StoreError as error:
            bad.append({"file": str(folder.cell(cell.identity)), "reason": str(error)})
            damaged = True
            continue
        good += archive is not None
        if archive is None and read_failure(folder, cell.identity) is None:
            bad.append({"file": str(folder.cell(cell.identity)), "reason": "missing"})
    if dataset is not None and not damaged and content_digest(collect(folder, resolved)) != content_digest(dataset):
        bad.append({"file": str(folder.result), "reason": "differs from its cells; run mfsym collect"})
    return good
